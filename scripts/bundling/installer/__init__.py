"""What runs on the machine that is installed to: checks the bundle, unpacks it, installs it and checks what came of it."""
