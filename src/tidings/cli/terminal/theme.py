"""The face of Tidings in a terminal: warm paper and one accent hue, light and dark. The web client's tokens."""

from typing import Final

from textual.theme import Theme

LIGHT: Final = {
    "paper": "#faf8f5",
    "surface": "#ffffff",
    "sunken": "#f2eee9",
    "line": "#e4ded8",
    "ink": "#251e18",
    "ink-2": "#5f564e",
    "ink-3": "#746a63",
    "accent": "#a94b23",
    "accent-ink": "#ffffff",
    "accent-soft": "#fbe4db",
    "accent-line": "#e8c8ba",
    "read": "#0b6f69",
    "danger": "#b4222c",
}
DARK: Final = {
    "paper": "#171412",
    "surface": "#221e1c",
    "sunken": "#2c2825",
    "line": "#3a3531",
    "ink": "#f1eee9",
    "ink-2": "#bfb8b0",
    "ink-3": "#aba49c",
    "accent": "#ef8c61",
    "accent-ink": "#20150e",
    "accent-soft": "#482e23",
    "accent-line": "#634336",
    "read": "#4ed0bf",
    "danger": "#f37772",
}


def _theme(name: str, tokens: dict[str, str], *, dark: bool) -> Theme:
    cursor = {
        "block-cursor-foreground": tokens["ink"],
        "block-cursor-background": tokens["accent-soft"],
        "block-cursor-text-style": "none",
        "block-cursor-blurred-foreground": tokens["ink"],
        "block-cursor-blurred-background": tokens["sunken"],
        "block-cursor-blurred-text-style": "none",
        "block-hover-background": tokens["sunken"],
        "border": tokens["accent"],
        "border-blurred": tokens["line"],
        "input-cursor-background": tokens["accent"],
        "input-cursor-foreground": tokens["accent-ink"],
        "input-selection-background": tokens["accent-line"],
        "footer-background": tokens["sunken"],
        "footer-foreground": tokens["ink-2"],
        "footer-key-foreground": tokens["accent"],
        "footer-description-foreground": tokens["ink-2"],
        "scrollbar": tokens["line"],
        "scrollbar-hover": tokens["ink-3"],
        "scrollbar-active": tokens["accent"],
        "scrollbar-background": tokens["paper"],
        "scrollbar-background-hover": tokens["paper"],
        "scrollbar-background-active": tokens["paper"],
        "scrollbar-corner-color": tokens["paper"],
        "button-color-foreground": tokens["accent-ink"],
        "button-foreground": tokens["ink"],
        "button-focus-text-style": "bold underline",
    }
    return Theme(
        name=name,
        primary=tokens["accent"],
        secondary=tokens["read"],
        accent=tokens["accent"],
        foreground=tokens["ink"],
        background=tokens["paper"],
        surface=tokens["surface"],
        panel=tokens["sunken"],
        success=tokens["read"],
        warning=tokens["accent"],
        error=tokens["danger"],
        dark=dark,
        variables=tokens | cursor,
    )


THEMES: Final = {"light": _theme("tidings-light", LIGHT, dark=False), "dark": _theme("tidings-dark", DARK, dark=True)}


def guess(colorfgbg: str) -> str:
    """Return `light` or `dark` after the variable COLORFGBG, which some terminals set: `foreground;background`."""
    background = colorfgbg.rpartition(";")[2]
    return "light" if background in ("7", "15") else "dark"
