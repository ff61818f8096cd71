"""What the book's pages carry instead of a front end per widget."""

from __future__ import annotations

import json

import pytest

from attnkit.live.static_site import MARKER, kinds, room, scripts, slim_state
from attnkit.live.widget import front_end, part


def page(**models: dict) -> str:
    state = {name: {"model_name": "AnyModel", "state": s} for name, s in models.items()}
    return json.dumps({"version_major": 2, "version_minor": 0, "state": state})


def test_our_front_end_is_left_out_and_others_stay() -> None:
    ours, other = {"_esm": front_end("dial"), "caption": "机器"}, {"_esm": "x"}
    slim = slim_state(page(a=ours, b=other, c={"value": 1}))
    state = {name: model["state"] for name, model in json.loads(slim)["state"].items()}
    assert state == {
        "a": {"_esm": MARKER, "caption": "机器"},
        "b": {"_esm": "x"},
        "c": {"value": 1},
    }


def test_an_older_front_end_of_ours_is_left_out_too() -> None:
    older = part("attnkit")[:500]
    assert json.loads(slim_state(page(a={"_esm": older})))["state"]["a"]["state"] == {
        "_esm": MARKER
    }


def test_slim_state_may_stand_in_a_script() -> None:
    slim = slim_state(page(a={"caption": "</script><!-- </SCRIPT >"}))
    assert "</" not in slim
    assert json.loads(slim)["state"]["a"]["state"]["caption"].startswith("</script>")


@pytest.mark.parametrize("text", ["[]", "{}", '{"state": 3}', "no JSON"])
def test_what_is_no_widget_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"state_json|Expecting value"):
        slim_state(text)


def test_a_script_holds_each_part_and_cannot_end_early() -> None:
    for name, script in scripts().items():
        given, _, text = script.strip().rstrip(";").partition(" = ")
        assert given == f"(globalThis.ATTNKIT ??= {{}}).{name}"
        assert json.loads(text) == part(name)
        assert "</" not in script


def test_kinds_are_those_of_our_widgets_slim_or_not() -> None:
    full, slim = front_end("gate"), {"_esm": MARKER, "kind": "dial"}
    models = page(a={"_esm": full, "kind": "gate"}, b=slim, c={"_esm": "x"}, d={})
    assert kinds(json.loads(models)["state"]) == ["dial", "gate"]


def test_room_is_kept_by_width_of_the_container() -> None:
    place = room("abc", [[320, 900], [720, 400]])
    assert ".attnkit-room-abc { min-height: 900px }" in place
    narrow = "min-height: calc(900px + -1.25 * (100cqw - 320px))"
    assert f"@container (min-width: 320px) {{ .attnkit-room-abc {{ {narrow}" in place
    wide = "min-height: 400px"
    assert f"@container (min-width: 720px) {{ .attnkit-room-abc {{ {wide}" in place
    assert room("abc", []).count("min-height") == 0
    assert "pointer" not in place


def test_room_for_fingers_is_higher() -> None:
    place = room("abc", [[320, 900, 1000], [720, 400, 450]])
    first, fingers = place.split("@media (pointer: coarse)")
    assert "900px" in first and "1000px" not in first
    assert "1000px + -1.375 * (100cqw - 320px)" in fingers and "450px" in fingers
