import io

from alexnet_client.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def screen(self) -> str:
        """What stands in the line: a carriage return writes over it."""
        line = ""
        for written in self.getvalue().split("\r"):
            line = written + line[len(written) :]
        return line.rstrip()


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _progress(total, stream):
    clock = Clock()
    return Progress(total, stream=stream, clock=clock), clock


def test_the_line_tells_count_rate_and_time_left():
    terminal = Terminal()
    progress, clock = _progress(1000, terminal)
    progress.advance(0)
    assert terminal.screen() == "0 of 1000 pictures"
    clock.now_s = 2.0
    progress.advance(100)
    assert terminal.screen() == "100 of 1000 pictures, 50.0 a second, 0:18 left"
    clock.now_s = 4.0
    progress.advance(500)
    assert terminal.screen() == "600 of 1000 pictures, 150.0 a second, 0:03 left"


def test_it_is_silent_where_there_is_no_terminal():
    stream = io.StringIO()
    progress, clock = _progress(1000, stream)
    clock.now_s = 2.0
    progress.advance(100)
    progress.advance(900)
    progress.clear()
    assert stream.getvalue() == ""


def test_clear_leaves_an_empty_line_and_the_last_picture_too():
    terminal = Terminal()
    progress, clock = _progress(3, terminal)
    for step in (1, 2):
        clock.now_s += 1
        progress.advance(1)
        assert terminal.screen().startswith(f"{step} of 3")
        if step == 1:
            progress.clear()
            assert terminal.screen() == ""
    progress.advance(1)
    assert terminal.screen() == ""


def test_it_draws_at_most_ten_times_a_second():
    terminal = Terminal()
    progress, clock = _progress(10_000, terminal)
    for _ in range(1000):
        clock.now_s += 0.001
        progress.advance(1)
    assert 5 <= terminal.getvalue().count(" of 10000") <= 10
