"""What the symbols in formulas mean that not every textbook has, by operation: LaTeX."""

SYMBOLS = {
    "softplus": r"\operatorname{sp}(x) = \log(1 + e^x)",
    "sigmoid": r"\sigma(x) = \frac{1}{1 + e^{-x}}",
    "js_term": r"\operatorname{js}(y, f) = \frac{1}{2} y \log\frac{2 y}{y + f} + \frac{1}{2} f \log\frac{2 f}{y + f}",
    "n_classes": r"K = \text{the number of classes}",
}
