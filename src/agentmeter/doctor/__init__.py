"""What is metered here, what is not, and what may be lost: the examination behind ``doctor``.

    examine() ─▶ Examination ─┬─▶ to_json()
                              └─▶ text

It imports no library that it looks for, unless it is asked to try them.
"""

from agentmeter.doctor.examination import Examination, examine

__all__ = ["Examination", "examine"]
