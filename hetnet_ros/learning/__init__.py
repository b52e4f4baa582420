"""Teaching a part from defect-free images: views, feature cache, trainer and calibration."""
