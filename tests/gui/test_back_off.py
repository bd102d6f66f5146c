"""The display stands back while frames wait to be recorded."""

from dataclasses import replace

from isactrack.acquisition.snapshot import Health
from isactrack.gui.models.back_off import HELD_S, PAUSE_S, BackOff


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_it_stands_back_while_frames_wait_for_the_disk(healthy: Health) -> None:
    clock = Clock()
    back_off = BackOff(clock)
    enough = int(HELD_S * healthy.nominal_rate_hz)
    back_off.look([None, replace(healthy, recorder_queue=enough)])
    assert all(back_off.may_paint() for _ in range(3))
    back_off.look([healthy, replace(healthy, recorder_queue=enough + 1)])
    assert back_off.held
    assert not back_off.may_paint()
    clock.now_s += PAUSE_S
    assert back_off.may_paint()  # it is not blind
    assert not back_off.may_paint()
    back_off.look([healthy])
    assert back_off.may_paint()


def test_a_device_without_a_rate_never_holds_it(healthy: Health) -> None:
    back_off = BackOff(Clock())
    back_off.look([replace(healthy, recorder_queue=50, nominal_rate_hz=0.0)])
    assert not back_off.held
