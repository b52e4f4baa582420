"""One image in, one Inspection out: model file, preprocessing, backend, verdict and defect regions."""
