"""The page's HTML as a browser gets it: language, title and the first script are in it before Gradio starts."""

import json
from pathlib import Path

from qwen_vl_app.errors import BodyTooLarge, Language
from qwen_vl_app.ui import choice
from qwen_vl_app.ui.texts import LANGUAGE_COOKIE, TEXTS, text

TITLE = "%page-title%"  # what Gradio is told; the title in the person's language takes its place
SCRIPT = "\n".join(
    Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")
    for name in ("store", "history", "tools", "questions", "tasks", "page", "region")
)

# Gradio's own labels that its translations leave in English.
LABELS: dict[str, str] = {
    "Retry": "重新回答",
    "重试": "重新回答",
    "Upload file": "选择文件",
    "Capture from camera": "使用摄像头",
    "Paste from clipboard": "从剪贴板粘贴",
    "File upload": "选择文件",
    "Remove Image": "移除图片",
    "Remove image": "移除图片",
    "Clear": "清空",
    "Fullscreen": "全屏",
    "View in full screen": "全屏查看",
    "Exit full screen": "退出全屏",
    "Copy message": "复制",
    "Copied message": "已复制",
    "Copy": "复制",
    "chatbot conversation": "对话",
    "Scroll to bottom": "滚动到底部",
    "Download": "下载",
    "Close": "关闭",
    "Error": "错误",
    "capture photo": "拍照",
    "select video source": "选择摄像头",
    "select input source": "选择摄像头",
    "grant webcam access": "允许使用摄像头",
}

# Its names of buttons that do something more definite here.
NAMES: dict[str, str] = {"Retry": "Answer again"}

# Its pop-ups, and the key of the text that takes the place of each.
NOTES: dict[str, str] = {
    "Error": "error",
    "Connection Lost": "lost",
    "Connection to the server was lost. Attempting reconnection...": "lost_long",
}


def dress(html: str, language: Language, max_upload: int) -> str:
    """Gradio's page with the language, the title and the first script written into it."""
    locale = "zh-CN" if language == "zh" else "en"
    facts = {
        "locale": locale,
        "labels": LABELS if language == "zh" else NAMES,
        "notes": {english: text(key, language) for english, key in NOTES.items()},
        "shown": text("shown", language),
        "user": text("question", language),
        "bot": text("answer", language),
        "change": text("change", language),
        "words": {key: words[language == "zh"] for key, words in TEXTS.items() if key.startswith("history")},
        "languageCookie": LANGUAGE_COOKIE,
        "example": text("example", language, number="{number}"),
        "tasks": choice.facts(language),
        "maxBytes": max_upload * 1_000_000,
        "tooLarge": BodyTooLarge(limit_mb=max_upload).text(language),
    }
    first = f"<script>const FACTS={_script_safe(facts)};\n{SCRIPT}</script>"
    html = html.replace('lang="en"', f'lang="{locale}"', 1).replace("<head>", f"<head>{first}", 1)
    return html.replace(TITLE, text("title", language))


def _script_safe(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
