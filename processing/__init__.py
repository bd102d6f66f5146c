"""From a frame to detections.

`chain` composes range spectra, removal of static clutter, a detector and clustering. There are two detectors:
`fft_detector` (windowed spectra, CFAR, peaks between the bins) and `mnomp_detector` (lines fitted off the grid, one
after the other, the algorithm of mnomp-spa-kf in `mnomp`). `fft_cfar`, `mnomp_original` and `nomp3d` are what the
second is compared with. All line detectors return `lines.SpectralLines`, of which `line_detections` makes detections
with the Cramer-Rao bounds of `bounds` as covariance.
"""
