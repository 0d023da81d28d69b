"""How long something will still take, from the pace of the last seconds."""

from __future__ import annotations

from collections import deque

_WINDOW_S = 30.0  # seconds that the pace is taken from; longer where nothing was done in them
_LEAST_S = 1.0  # seconds before anything is said


class Pace:
    """Counts with their times, newest last."""

    def __init__(self, now: float, done: int) -> None:
        """Begun at `now` (seconds of any clock that does not go back), with `done` pieces done before."""
        self._seen = deque([(now, done)])

    def see(self, now: float, done: int) -> None:
        """So many pieces are done now."""
        seen = self._seen
        if done < seen[-1][1]:  # counted anew
            seen.clear()
        if len(seen) > 1 and seen[-1][1] == seen[-2][1] == done:
            seen.pop()  # of a time in which nothing is done its end is enough
        seen.append((now, done))
        # the first one stays that is older than the window, or has a smaller count where nothing was done inside
        while len(seen) > 2 and seen[1][0] <= now - _WINDOW_S and seen[1][1] < done:
            seen.popleft()

    def left(self, total: int | None) -> float | None:
        """Seconds until `total` pieces are done; None where nobody can say."""
        (first, before), (now, done) = self._seen[0], self._seen[-1]
        if total is None or done <= before or now - first < _LEAST_S:
            return None
        return max(0, total - done) * (now - first) / (done - before)
