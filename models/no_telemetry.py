"""Turns off the telemetry of OpenVINO and NNCF. Import it before either of them.

Both report their use to an analytics service and write to ``~/intel``, unless the optional package
``openvino_telemetry`` is missing. None in ``sys.modules`` makes its import fail (Python Language
Reference, §5.3.1).
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
