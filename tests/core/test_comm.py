"""Earlier names of the communication of processes, which methods outside of the package may use, still work."""

import pytest

from lookalike.core import comm
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.errors import PeerError


class Second(Comm):
    """The second of two processes, whose peer has met an error."""

    rank, size = 1, 2

    def collective_errors(self):
        raise PeerError


def test_earlier_names_of_the_module():
    assert comm.Comm is Comm and comm.SINGLE is SINGLE


def test_earlier_names_of_methods_call_those_of_the_class():
    assert Second().own(1300) == Second().local_slice(1300) == slice(1024, 1300)
    with pytest.raises(PeerError), Second().together():
        pass
    with SINGLE.together():
        assert SINGLE.own(3) == slice(0, 3)
