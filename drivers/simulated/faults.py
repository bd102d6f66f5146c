"""What happens to data packets on the way from the card to the host: loss, doubling and reordering, seeded."""

import numpy as np

from isactrack.errors import ConfigError


class Faults:
    """Loses, doubles and reorders packets by chance, the same ones for the same seed.

    Each kind of fault has random numbers of its own, so that one does not change which packets another one hits.

    Parameters
    ----------
    seed
        Seeds the choice of packets.
    loss, dup, reorder
        Shares of the packets, 0 to 1, that get lost, that come twice, and that change places with the next one.

    Raises
    ------
    ConfigError
        If a share is not between 0 and 1.
    """

    def __init__(self, *, seed: int = 0, loss: float = 0.0, dup: float = 0.0, reorder: float = 0.0) -> None:
        for name, share in (("loss", loss), ("dup", dup), ("reorder", reorder)):
            if not 0.0 <= share <= 1.0:
                raise ConfigError(f"{name}={share} is no share of the packets", "use 0 to 1")
        self._loss, self._dup, self._reorder = loss, dup, reorder
        self._loss_rng, self._dup_rng, self._reorder_rng = (np.random.default_rng([seed, kind]) for kind in (1, 2, 3))
        self._held: list[bytes] = []

    def apply(self, packets: list[bytes]) -> list[bytes]:
        """Return what arrives now of the packets that are sent now."""
        arriving: list[bytes] = []
        for packet in packets:
            if self._loss_rng.random() < self._loss:
                continue
            copies = [packet] * (1 + int(self._dup_rng.random() < self._dup))
            if not self._held and self._reorder_rng.random() < self._reorder:
                self._held = copies
            else:
                arriving += [*copies, *self.release()]
        return arriving

    def release(self) -> list[bytes]:
        """Return the packet that waits for its next one, if there is one: nothing follows it for a while."""
        held, self._held = self._held, []
        return held
