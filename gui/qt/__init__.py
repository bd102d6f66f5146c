"""The viewer's widgets. Only this package imports Qt; start it with `isactrack.gui.qt.app.run_viewer`."""
