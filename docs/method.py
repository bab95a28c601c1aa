"""Draws docs/method.svg, the picture of the method: python docs/method.py

A light card with dark text, so that it reads on light and dark pages alike.
"""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from gorp.report.writing import save_figure

CARD, INK, FAINT, BAND = "#fbfaf7", "#1f2328", "#6b7280", "#efede6"
GRADIENT, SUBSPACE, SPACE, NEW, ADAM, FROZEN = "#f2a65a", "#6fa8dc", "#7fb77e", "#3f8f4f", "#b39ddb", "#d5d7da"
COLUMNS = {  # title: from, to
    "gradient": (14.5, 29.5),
    "reduce": (30.5, 48.5),
    "take out S": (49.5, 67.5),
    "Adam": (68.5, 79.5),
    "lift back, add": (80.5, 99),
}
FULL, LORA, AFTER = 40.5, 23.5, 7.5  # the heights of the three rows


class Picture:
    """A canvas of 100 x 56 units, on which matrices are drawn as blocks to scale."""

    def __init__(self):
        self.figure = Figure(figsize=(12.5, 7))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, 100), ylim=(0, 56))
        self.axes.set_axis_off()
        self.box(0.4, 0.4, 99.2, 55.2, CARD, edge="#d9d6cc")

    def box(self, x, y, width, height, color, edge="none"):
        style = "round,pad=0,rounding_size=0.8"
        self.axes.add_patch(FancyBboxPatch((x, y), width, height, style, facecolor=color, edgecolor=edge))

    def text(self, x, y, text, size=10.5, color=INK, **options):
        options = {"ha": "center", "va": "center", "linespacing": 1.35} | options
        self.axes.text(x, y, text, fontsize=size, color=color, **options)

    def block(self, x, y, width, height, color, name="", below=""):
        """A matrix of `height` rows and `width` columns with its left side at x, centred on the height y."""
        self.axes.add_patch(
            Rectangle((x, y - height / 2), width, height, facecolor=color, edgecolor=INK, linewidth=0.9)
        )
        self.text(x + width / 2, y, name, 13)
        self.text(x + width / 2, y - height / 2 - 1.3, below, 9, FAINT)

    def sign(self, x, y, sign):
        self.text(x, y, sign, 15)

    def arrow(self, start, end, bend=0.0):
        shape = f"arc3,rad={bend}"
        style = "-|>,head_length=4,head_width=2.4"
        arrow = FancyArrowPatch(start, end, arrowstyle=style, connectionstyle=shape, color=INK, linewidth=1.2)
        self.axes.add_patch(arrow)


def draw_frame(p):
    for number, (title, (left, right)) in enumerate(COLUMNS.items(), 1):
        p.box(left, 15.2, right - left, 39.2, BAND)
        p.text((left + right) / 2, 52.6, f"{number}  {title}", 11.5, fontweight="bold")
    for y, title, what in (
        (FULL, "full-rank\nmatrices", "trained whole:\nT5: cross-attention q, v\nLLaMA: gate_proj"),
        (LORA, "LoRA factors", "new for each task:\nself-attention q, v\n(drawn: A)"),
        (AFTER, "after the task", "what it used joins\nthe shared space"),
    ):
        p.text(1.6, y + 0.6, title, 11.5, fontweight="bold", ha="left", va="bottom")
        p.text(1.6, y - 0.6, what, 9, FAINT, ha="left", va="top")


def draw_full_rank(p):
    p.block(17.5, FULL, 9, 12, GRADIENT, "$G$", "out × in")
    p.sign(31.9, FULL, "×")
    p.block(33.6, FULL, 2.4, 9, SUBSPACE, "$P$", "in × k")
    p.sign(39.5, FULL, "=")
    p.block(43, FULL, 2.4, 12, GRADIENT, "$R$", "out × k")
    p.text(39.5, FULL + 8.4, "P: leading directions of G,\nanew every 10 steps", 9, FAINT)
    p.sign(51.6, FULL, "−")
    p.block(54, FULL, 3.2, 12, SPACE, "$S$", "out × m")
    p.block(59.4, FULL, 2.4, 3.2, SPACE, "", "")
    p.text(63.9, FULL, "$S^T R$", 12)
    p.text(58.5, FULL + 8.4, "S: directions that the\nearlier tasks have used", 9, FAINT)
    draw_adam(p, FULL, "moments M, V\nare out × k")
    p.block(83, FULL, 2.4, 12, ADAM, "$N$", "out × k")
    p.sign(86.8, FULL, "×")
    p.block(88.2, FULL, 9, 2.4, SUBSPACE, "$P^T$", "k × in")
    p.text(89.8, FULL + 8.4, r"$W \;\leftarrow\; W - \eta\; N P^T$", 12.5)


def draw_lora(p):
    p.block(17.5, LORA, 9, 2.8, GRADIENT, "$G_A$", "r × in")
    p.arrow((31.4, LORA), (47.6, LORA))
    p.text(39.5, LORA + 1.6, "of low rank already", 9, FAINT)
    p.sign(51.6, LORA, "−")
    p.block(53.2, LORA, 3.2, 2.8, SPACE)
    p.text(54.8, LORA + 2.9, "$G_A S$", 11)
    p.block(57.4, LORA, 9, 3.2, SPACE, "$S^T$", "m × in")
    draw_adam(p, LORA, "moments\nare r × in")
    p.block(85.3, LORA, 9, 2.8, ADAM, "$N$", "r × in")
    p.text(89.8, LORA + 5, r"$A \;\leftarrow\; A - \eta\; N$", 12.5)
    p.text(89.8, LORA - 5.6, "frozen: all other weights,\nthe LoRA of earlier tasks", 9, FAINT)


def draw_adam(p, y, moments):
    p.box(71, y - 3, 6, 6, ADAM)
    p.text(74, y, "Adam", 11.5)
    p.text(74, y + 8.4 if y == FULL else y - 5.6, moments, 9, FAINT)
    p.arrow((67.9, y), (70.8, y))
    p.arrow((77.2, y), (82, y))


def draw_after(p):
    p.block(17.5, AFTER, 2.4, 9, ADAM, "$M$")
    p.text(23.6, AFTER, "Adam's\nfirst\nmoment", 9, FAINT)
    p.arrow((27, AFTER), (30.5, AFTER))
    p.text(37, AFTER, "$M' = M - S\\,S^T M$", 12.5)
    p.arrow((43.5, AFTER), (52.5, AFTER))
    p.text(48, AFTER + 1.6, "SVD", 9.5, FAINT)
    p.text(47.6, AFTER - 3.2, "fewest directions\nthat hold 90 %\nof M's energy", 9, FAINT)
    p.block(54, AFTER, 3.2, 9, SPACE, "$S$")
    p.block(57.2, AFTER, 1.6, 9, NEW)
    p.text(63.2, AFTER, "S of the\nnext task", 9.5, fontweight="bold")
    p.arrow((56.4, AFTER + 4.8), (56.4, AFTER + 9.6))
    p.text(84, AFTER + 1.4, "Published: the gradient is kept out of S.", 9.5, fontweight="bold")
    p.text(84, AFTER - 1.6, "With project_update N is too,\nso that $S^T \\Delta W = 0$ holds exactly.", 9.5)


def main():
    p = Picture()
    draw_frame(p)
    draw_full_rank(p)
    draw_lora(p)
    draw_after(p)
    save_figure(p.figure, Path(__file__).with_suffix(".svg"))
    return p.figure


if __name__ == "__main__":
    main()
