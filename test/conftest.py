pytest_plugins = ["model_fixtures"]
