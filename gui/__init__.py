"""The viewer: `models` say what is shown and know no Qt, `qt` shows it."""
