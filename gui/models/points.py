"""What the pointer says on the plan."""

import math


def plan_readout(x_m: float, y_m: float) -> str:
    """Return a point of the plan in both coordinates."""
    azimuth_deg = math.degrees(math.atan2(x_m, y_m))
    return f"x {x_m:+.2f} m   y {y_m:.2f} m   range {math.hypot(x_m, y_m):.2f} m   azimuth {azimuth_deg:+.1f}°"
