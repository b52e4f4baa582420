"""How good a model is: labelled data sets, metrics, the evaluation of a model, its JSON and its report."""
