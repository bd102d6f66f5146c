"""From a frame to detections: spectra, CFAR, azimuth, clustering, and the chain that composes them."""
