"""Directions of a media line."""

import pytest

from gateway.media.core.sdp import Direction


@pytest.mark.parametrize(
    ("direction", "is_sending", "is_receiving", "mirrored"),
    [
        (Direction.SENDRECV, True, True, Direction.SENDRECV),
        (Direction.SENDONLY, True, False, Direction.RECVONLY),
        (Direction.RECVONLY, False, True, Direction.SENDONLY),
        (Direction.INACTIVE, False, False, Direction.INACTIVE),
    ],
)
def test_direction_and_its_mirror(
    direction: Direction, is_sending: bool, is_receiving: bool, mirrored: Direction
) -> None:
    assert (direction.is_sending, direction.is_receiving) == (is_sending, is_receiving)
    assert direction.mirrored is mirrored
    assert Direction.of(is_sending=is_sending, is_receiving=is_receiving) is direction
