"""What the viewer shows, without Qt: time, levels, trails, texts, thresholds, shortcuts."""
