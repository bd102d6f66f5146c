"""Make the pictures of the documents that show the viewer anew: ``python tools/pictures.py``."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
TESTS = ("tests/gui/test_first_steps.py", "tests/gui/test_states.py")


def referenced() -> set[str]:
    """Return the names of the pictures that the documents show."""
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts = [document.read_text(encoding="utf-8") for document in documents]
    return {name for text in texts for name in re.findall(r"images/([\w-]+\.png)", text)}


def main() -> int:
    """Run the tests that take pictures, and keep those that are shown somewhere."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ISACTRACK_SHOTS": folder}
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            return done.returncode
        for name in sorted(referenced()):
            if (made := Path(folder) / name).exists():
                shutil.copyfile(made, IMAGES / name)
                print(f"docs/images/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
