"""The C interface by ctypes: sizes that are no numbers of anything, whose error it is, and calls that are ended."""

import ctypes
import os

import numpy as np
import pytest

from bertq import _library
from bertq._library import library

SIZE_MAX = (1 << 64) - 1


class Call:
    """Two texts for a model, and room for what becomes of them."""

    def __init__(self, model):
        self.model, self.width = model._open.pointer, model.dimension
        self.offsets = np.array([0, 6, 13], np.int32)
        self.texts = b"a textanother"
        self.input = _library.Input(
            size=ctypes.sizeof(_library.Input), count=2, offset_size=4, bytes=ctypes.cast(ctypes.c_char_p(self.texts), ctypes.c_void_p),
            offsets=self.offsets.ctypes.data)
        self.request = _library.Request(size=ctypes.sizeof(_library.Request))
        self.out = np.zeros((64, 512), np.float32)
        self.places = np.zeros(64, np.int64)
        self.error = _library.Error(size=ctypes.sizeof(_library.Error))
        self.text = ctypes.c_void_p()

    def __call__(self, name, *arguments):
        """The code, the kind and the text of an error."""
        self.error.text = 77
        code = getattr(library, name)(self.model, *arguments, ctypes.byref(self.error))
        return (code, self.error.kind.decode(), self.error.text) if code else 0

    @property
    def message(self):
        return self.error.message.decode()

    def embed(self, function="bertq_embed", room=None, failures=None):
        return self(function, ctypes.byref(self.input), ctypes.byref(self.request), self.out.ctypes.data,
                    self.out.size if room is None else room, failures)

    def all(self):
        """What each function that reads texts says."""
        given, asked = ctypes.byref(self.input), ctypes.byref(self.request)
        text, width = ctypes.byref(self.text), ctypes.byref(ctypes.c_size_t())
        return {
            "embed": self.embed(), "pooled": self.embed("bertq_pooled"),
            "tokens": self("bertq_tokens", given, asked, self.out.ctypes.data, self.out.size),
            "count": self("bertq_count", given, self.places.ctypes.data),
            "tokenize": self("bertq_tokenize", given, 0, self.places.ctypes.data, None, None, 0),
            "drift": self("bertq_drift", given, 0, 0, None, text),
            "sparse": self("bertq_answer", b"sparse", given, asked, None, text),
            "multi": self("bertq_multi_vectors", given, 0, asked, self.places.ctypes.data, width, text)}


@pytest.fixture
def call(model):
    return Call(model)


@pytest.mark.parametrize("count", [1 << 48, 1 << 60, (1 << 63) - 1, 1 << 63, SIZE_MAX])
def test_a_count_that_no_memory_holds_is_refused(call, count):
    call.input.count = count
    found = call.all()
    # The tests' model has no such heads, which is said first.
    assert {found.pop("sparse")[1], found.pop("multi")[1]} == {"unsupported"}
    assert set(found.values()) == {(64, "usage", -1)}
    assert call.embed() and str(count) in call.message


def test_heads_refuse_such_counts_too(heads):
    import bertq

    for head, name in [("fill-mask", "sparse"), ("multi-vector", "multi")]:
        model = bertq.Model(heads(head))
        call = Call(model)
        for count in (1 << 63, SIZE_MAX):
            call.input.count = count
            assert call.all()[name] == (64, "usage", -1)


def test_room_may_be_any_number(call):
    assert call.embed(room=SIZE_MAX) == 0 and call.embed(room=1 << 63) == 0
    assert call("bertq_tokens", ctypes.byref(call.input), None, call.out.ctypes.data, SIZE_MAX) == 0
    ids = np.zeros(64, np.int32)
    assert call("bertq_tokenize", ctypes.byref(call.input), 0, call.places.ctypes.data, ids.ctypes.data, None, SIZE_MAX) == 0
    assert call.embed(room=3) == (64, "usage", -1) and "into 3" in call.message
    assert call("bertq_embed", ctypes.byref(call.input), None, None, call.out.size, None) == (64, "usage", -1)
    assert "place of the rows is NULL" in call.message


def test_offsets_beyond_memory_are_refused(call):
    call.input.count, call.input.offset_size = 1, 8
    for last in (1 << 48, (1 << 63) - 1):
        offsets = np.array([0, last], np.int64)
        call.input.offsets = offsets.ctypes.data
        assert call.embed() == (64, "usage", -1)


def test_a_struct_s_size_may_be_any_number(call):
    call.request.size = SIZE_MAX
    assert call.embed() == (64, "usage", -1) and str(SIZE_MAX) in call.message
    call.request.size = ctypes.sizeof(_library.Request)
    call.input.count, call.error.size = SIZE_MAX, SIZE_MAX
    assert call.embed() == (64, "usage", -1) and call.message


@pytest.mark.parametrize("count", [1 << 62, 1 << 63, SIZE_MAX])
def test_so_many_ids_are_not_decoded(call, count):
    ids = np.zeros(1, np.int32)
    assert call("bertq_decode", ids.ctypes.data, count, 0, ctypes.byref(call.text)) == (64, "usage", -1)


@pytest.mark.parametrize("ids", [[-1], [1 << 30], [2, -(1 << 31)]])
def test_ids_of_no_token_are_not_decoded(call, ids):
    ids = np.array(ids, np.int32)
    assert call("bertq_decode", ids.ctypes.data, len(ids), 0, ctypes.byref(call.text)) == (64, "usage", -1)
    assert str(ids[-1]) in call.message and not call.text.value


def test_a_setting_s_error_is_no_text_s(call, heads):
    import bertq

    call.request.prompt_name = b"none"
    found = call.all()
    assert found["embed"] == found["tokens"] == (64, "usage", -1) and call.embed() and "no prompt 'none'" in call.message
    failures = ctypes.c_void_p()
    assert call.embed(failures=ctypes.byref(failures)) == (64, "usage", -1) and not failures.value
    call.input.count = 0
    assert call.embed() == (64, "usage", -1)
    call.input.count, call.request.prompt_name = 2, None
    assert call("bertq_count", ctypes.byref(call.input), None) == (64, "usage", -1)
    offsets = call.places.ctypes.data
    assert library.bertq_tokenize(None, ctypes.byref(call.input), 0, offsets, None, None, 0, ctypes.byref(call.error)) == 64
    assert call.error.text == -1
    assert call.all()["multi"] == (69, "unsupported", -1)
    for head, task, settings in [
            ("zero-shot", b"zero-shot", b"{}"), ("zero-shot", b"zero-shot", b'{"labels": ["a"], "hypothesis": "a"}'),
            ("fill-mask", b"fill-mask", b'{"targets": []}'), ("fill-mask", b"fill-mask", b'{"targets": ["no such word"]}'),
            ("choose", b"choose", None), ("choose", b"choose", b'{"choices": []}'), ("classify", b"classify", b"{"),
            ("answer", b"answer", b'{"top": 0}')]:
        model = bertq.Model(heads(head))
        other = Call(model)
        assert other("bertq_answer", task, ctypes.byref(other.input), None, settings, ctypes.byref(other.text)) == (64, "usage", -1), settings
        assert not other.text.value


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
def test_a_call_that_is_ended_fails_also_where_failures_are_wanted(call, heads, how):
    import bertq

    stop = ctypes.c_void_p(library.bertq_cancellation_new())
    try:
        library.bertq_cancellation_cancel(stop)

        def end(other):
            if how == "cancelled":
                other.request.cancellation = stop
            else:
                other.request.seconds = 1e-9

        failures = ctypes.c_void_p()
        end(call)
        for function in ("bertq_embed", "bertq_pooled"):
            assert call.embed(function, failures=ctypes.byref(failures)) == (75, how, -1) and not failures.value
            assert call.embed(function) == (75, how, -1)
        assert call.all()["tokens"] == (75, how, -1)
        for head, name in [("fill-mask", "sparse"), ("multi-vector", "multi")]:
            model = bertq.Model(heads(head))
            other = Call(model)
            end(other)
            assert other.all()[name] == (75, how, -1)
    finally:
        library.bertq_cancellation_free(stop)


def test_a_bad_text_costs_no_other_its_answer(call):
    call.texts = b"a te\xfftanother"
    call.input.bytes = ctypes.cast(ctypes.c_char_p(call.texts), ctypes.c_void_p)
    assert call.embed() == (65, "not-utf8", 0)
    failures = ctypes.c_void_p()
    assert call.embed(failures=ctypes.byref(failures)) == 0
    assert [line["index"] for line in _library.take_lines(failures)] == [0]


@pytest.mark.parametrize("value", [2, 7, -1])
def test_what_says_yes_or_no_is_one_or_nothing(call, value):
    given, text = ctypes.byref(call.input), ctypes.byref(call.text)
    call.request.truncates = value
    assert call.embed() == (64, "usage", -1) and str(value) in call.message
    call.request.truncates = 0
    assert call("bertq_tokenize", given, value, call.places.ctypes.data, None, None, 0) == (64, "usage", -1)
    assert call("bertq_drift", given, value, 0, None, text) == (64, "usage", -1)
    assert call("bertq_drift", given, 0, value, None, text) == (64, "usage", -1)
    ids = np.zeros(1, np.int32)
    assert call("bertq_decode", ids.ctypes.data, 1, value, text) == (64, "usage", -1)


def convert(**given):
    error = _library.Error(size=ctypes.sizeof(_library.Error))
    order = _library.Conversion(size=ctypes.sizeof(_library.Conversion), **given)
    code = library.bertq_convert(ctypes.byref(order), _library.Watch(), None, None, ctypes.byref(error))
    return code, error.message.decode()


@pytest.mark.parametrize("given, words", [
    ({"no_calibration": 5}, "no_calibration is 5"), ({"ids_only": -1}, "ids_only is -1"), ({"least_cosine": -1}, "least_cosine is -1"),
    ({"least_cosine": float("nan")}, "least_cosine"), ({"least_sqnr": -3}, "least_sqnr"), ({"heads": -1}, "heads"),
    ({"recipe": b"\xff"}, "the recipe is no UTF-8"), ({"weights": b"\xff"}, "the name of the weights is no UTF-8")])
def test_a_conversion_s_numbers_make_sense(tmp_path, given, words):
    code, message = convert(input=b"/no/such", output=os.fsencode(tmp_path / "a.bertq"), **given)
    assert code == 64 and words in message, message


def test_what_is_reserved_is_zero(call, model_path):
    call.input.reserved = 1
    assert call.embed() == (69, "unsupported", -1)
    options = _library.Options(size=ctypes.sizeof(_library.Options), reserved=1)
    opened = ctypes.c_void_p()
    assert library.bertq_open(os.fsencode(model_path), ctypes.byref(options), ctypes.byref(opened), None) == 69


def test_strings_are_utf_8(call, model_path, tmp_path):
    """A repaired name is another one: the file of that name would be opened."""
    odd = os.fsencode(tmp_path) + b"/\xff.bertq"
    for name in (odd, os.fsencode(tmp_path / "\ufffd.bertq")):
        with open(name, "wb") as file, open(model_path, "rb") as model:
            file.write(model.read())
    opened, error = ctypes.c_void_p(), ctypes.byref(call.error)
    assert library.bertq_open(odd, None, ctypes.byref(opened), error) == 64 and call.message == "the path is no UTF-8"
    assert library.bertq_open(b"", None, ctypes.byref(opened), error) == 66 and "empty" in call.message
    for field in ("input", "output", "configuration", "vocabulary", "calibration", "report", "embeddings"):
        code, message = convert(**{"input": b"/no/such", "output": b"/no/such.bertq", field: b"\xff"})
        assert (code, message) == (64, f"the {field} is no UTF-8".replace("the embed", "the name of the embed"))
    call.request.prompt = b"\xff"
    assert call.embed() == (64, "usage", -1) and "the prompt" in call.message
    call.request.prompt, call.request.prompt_name = None, b"\xff"
    assert call.embed() == (64, "usage", -1) and "the prompt's name" in call.message
    given, text = ctypes.byref(call.input), ctypes.byref(call.text)
    assert call("bertq_answer", b"\xff", given, None, None, text) == (64, "usage", -1)
    assert call("bertq_drift", given, 0, 0, b"\xff", text) == (64, "usage", -1)
    assert call("bertq_answer", b"classify", given, None, b"\xff", text) == (64, "usage", -1)


def test_choices_continue_one_text(heads):
    """Neither a pair nor token ids, nor bytes that would have to be repaired: they are that text's failure."""
    import bertq

    model = bertq.Model(heads("choose"))
    call = Call(model)

    def codes():
        assert call("bertq_answer", b"choose", ctypes.byref(call.input), None, b'{"choices": ["a", "b"]}', ctypes.byref(call.text)) == 0
        return [line.get("error", {}).get("code") for line in _library.take_lines(call.text)]

    assert codes() == [None, None]
    call.texts = b"a te\xfftanother"
    call.input.bytes = ctypes.cast(ctypes.c_char_p(call.texts), ctypes.c_void_p)
    assert codes() == ["not-utf8", None]
    call.input.pair_bytes, call.input.pair_offsets = call.input.bytes, call.input.offsets
    assert codes() == ["malformed", "malformed"]
