"""Every text of the page, in English and Chinese, in one table; and which of the two a browser wants."""

from collections.abc import Mapping

from qwen_vl_app.errors import Language
from qwen_vl_app.ui import model_texts, part_texts

LANGUAGE_COOKIE = "language"

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Ask your pictures", "看图问答"),
    "lead": (
        "Choose a picture, press Submit, read what is in it, and ask on.",
        "选择一张图片，点击“提交”，即可看到描述，还可以继续提问。",
    ),
    "private": (
        "Pictures and questions stay on the machine that runs this page.",
        "图片和问题都只留在运行本页面的机器上。",
    ),
    "demo": (
        "Demo model: it knows only drawn shapes like the examples. For photographs, start the program with --model 8b.",
        "演示模型：只认识下面示例那样的手绘图形。要识别照片，请用 --model 8b 启动程序。",
    ),
    "demo_title": ("Demo model", "演示模型"),
    "picture": ("Picture", "图片"),
    "drop": ("Drop a picture here, paste it, or click to choose", "把图片拖到这里，或粘贴，或点击选择"),
    "no_camera": (
        "The camera works here only over https or on localhost (a rule of browsers); "
        "on a phone, choosing a picture offers the camera.",
        "浏览器规定：只有通过 https 或 localhost 打开本页时才能使用摄像头；手机上点击选择图片即可拍照。",
    ),
    "examples": ("Examples to try", "试试这些示例"),
    "example": ("Example {number}", "示例 {number}"),
    "chat": ("Conversation", "对话"),
    "empty": (
        "Your picture's description appears here.\nThen ask on: how many, where, which colour…",
        "图片的描述会显示在这里。\n之后可以继续提问：有几个、在哪里、什么颜色……",
    ),
    "question": ("Question", "问题"),
    "ask": ("Ask about the picture…", "就这张图片提问……"),
    "submit": ("Submit", "提交"),
    "stop": ("Stop", "停止"),
    "clear": ("Clear", "清空"),
    "keys": (
        "Enter or Ctrl+Enter sends · Shift+Enter starts a new line · Esc stops",
        "Enter 或 Ctrl+Enter 发送 · Shift+Enter 换行 · Esc 停止",
    ),
    "waits": ("Your question waits for the model.", "您的问题会在模型就绪后回答。"),
    "waiting": ("The model is being prepared…", "正在准备模型……"),
    "installing": ("The engine is being installed for this machine…", "正在为这台机器安装引擎……"),
    "building": ("The engine is being built for this machine: {percent} %", "正在为这台机器编译引擎：{percent} %"),
    "downloading": ("The model is being downloaded…", "正在下载模型……"),
    "starting": ("The model is being loaded…", "正在加载模型……"),
    "restarting": ("The model is being started again…", "正在重新启动模型……"),
    "opening": ("Opening the picture…", "正在打开图片……"),
    "next": ("Waiting: you are next…", "正在等待：下一个就是您……"),
    "queued": ("Waiting: {done} before you…", "正在等待：前面还有 {done} 个……"),
    "looking": ("Looking at the picture…", "正在看图……"),
    "looking_at": ("Looking at picture {current} of {total}…", "正在看第 {current} 张图片，共 {total} 张……"),
    "reading": ("Reading {done} of {total}…", "正在读取 {done} / {total}……"),
    "writing": ("Writing…", "正在书写……"),
    "stats": (
        "First word after {first} s · {tokens} tokens · {rate} tokens/s",
        "首字 {first} 秒 · {tokens} 个 token · {rate} token/秒",
    ),
    "stopped": ("Stopped", "已停止"),
    "stopped_early": ("Stopped before the first word", "在写出第一个字之前已停止"),
    "nothing": ("The model wrote nothing. Try other words.", "模型什么也没写，换个问法试试。"),
    "length": ("Ended at the length limit", "已到长度上限"),
    "answer": ("Answer", "回答"),
    "shown": ("The chosen picture", "已选择的图片"),
    "go_on": ("Go on", "继续写"),
    "add": ("+ Picture", "＋ 图片"),
    "added": ("Picture {number} of this question", "这个问题的图片 {number}"),
    "added_hint": ("Write [{number}] where the picture belongs", "在问题里写 [{number}] 即可指定图片的位置"),
    "drop_added": ("Remove picture {number}", "移除图片 {number}"),
    "change": ("Change this question", "修改这个问题"),
    "into_english": ("In English", "译成英文"),
    "into_chinese": ("In Chinese", "译成中文"),
    "reused": ("picture re-used", "图片已复用"),
    "facts": (
        "Seen as {size} px · {tokens} tokens · {share} % of the context",
        "模型看到 {size} · {tokens} 个 token · 占上下文的 {share}%",
    ),
    "first_frame": ("only the first frame of the animation", "仅动画的第一帧"),
    "first_of_several": ("only the first of several pictures in the file", "仅文件中的第一张图片"),
    "settings": ("Settings", "设置"),
    "recommended": ("Recommended", "恢复推荐值"),
    "system": ("System prompt", "系统提示词"),
    "system_hint": (
        "What holds for every answer, e.g. “Answer in one sentence.”",
        "对每个回答都有效，例如：“只用一句话回答。”",
    ),
    "detail": ("Picture detail", "图片精细度"),
    "detail_task": ("As the task needs", "由任务决定"),
    "detail_coarse": ("Coarse, fast: up to {tokens} tokens", "粗略、快速：最多 {tokens} 个 token"),
    "detail_usual": ("Usual: up to {tokens} tokens", "一般：最多 {tokens} 个 token"),
    "detail_fine": ("Fine, slow: up to {tokens} tokens", "精细、较慢：最多 {tokens} 个 token"),
    "temperature": ("Temperature", "温度 (temperature)"),
    "temperature_hint": ("0 for the likeliest words, higher for variety", "0 取最可能的词，越高越多样"),
    "top_p": ("Top p", "核采样 (top p)"),
    "top_p_hint": ("Keeps the likeliest words up to this share", "只在累计概率达到此值的词中选"),
    "top_k": ("Top k", "候选数 (top k)"),
    "top_k_hint": ("Keeps this many words; 0 keeps all", "只在前 k 个词中选；0 表示全部"),
    "presence_penalty": ("Presence penalty", "存在惩罚 (presence)"),
    "presence_penalty_hint": ("Higher for fewer repetitions", "越高越少重复"),
    "max_tokens": ("Longest answer, tokens", "回答上限（token）"),
    "max_tokens_hint": ("as much as fits", "直到装满"),
    "seed": ("Seed", "随机种子 (seed)"),
    "seed_hint": ("random", "随机"),
    "look": ("Light or dark", "浅色 / 深色"),
    "phone": ("Phone", "手机"),
    "phone_hint": ("On a phone in the same network, point the camera here:", "用同一网络中的手机扫一扫："),
    "phone_code": ("QR code of the address below", "下方地址的二维码"),
    "history": ("History", "历史"),
    "history_where": (
        "Kept in this browser only, with the pictures. The server keeps nothing.",
        "只保存在这个浏览器里，包括图片；服务器不保留任何内容。",
    ),
    "history_empty": ("Nothing yet: each answer is added here by itself.", "还没有内容：每次回答后会自动保存在这里。"),
    "history_title": ("Name of the conversation", "对话名称"),
    "history_rename": ("Rename", "改名"),
    "history_save": ("Save", "保存"),
    "history_delete": ("Delete", "删除"),
    "history_sure": ("Really delete?", "确定删除？"),
    "history_export": ("Export all", "全部导出"),
    "history_import": ("Import", "导入"),
    "history_imported": ("Imported: {number}", "已导入 {number} 个对话"),
    "history_close": ("Close", "关闭"),
    "history_bad": (
        "This file holds no conversations of this page. Choose one that “Export all” or “JSON” made.",
        "这个文件里没有本页面的对话。请选择由“全部导出”或“JSON”生成的文件。",
    ),
    "history_failed": (
        "The browser could not do this: its storage is full or switched off (as in private windows).",
        "浏览器无法完成：存储空间已满或已关闭（例如无痕窗口）。",
    ),
    "task": ("Task", "任务"),
    "second": ("Second picture", "第二张图片"),
    "field_sets": ("Ready lists", "常用字段"),
    "places": ("Places found: {count}", "找到的位置：{count} 处"),
    "places_lost": ("{count} item(s) of the answer could not be read.", "回答中有 {count} 项无法识别。"),
    "places_cut": ("The answer ends in the middle of its list.", "回答在列表中途结束。"),
    "fields": ("Fields", "字段"),
    "drawn": ("Picture with places (PNG)", "标注图（PNG）"),
    "error": ("Please note", "请注意"),
    "lost": ("Connection lost", "连接已断开"),
    "lost_long": (
        "The program does not answer; this page comes back by itself when it does.",
        "程序没有响应；恢复后本页面会自动重新连接。",
    ),
    **model_texts.TEXTS,
    **part_texts.TEXTS,
}


def text(key: str, language: Language, **details: str | int | float) -> str:
    """The page's text `key` in `language`, with the details filled in."""
    english, chinese = TEXTS[key]
    return (chinese if language == "zh" else english).format(**details)


def translations() -> dict[str, dict[str, str]]:
    """The table as `gr.I18n` wants it; the page's first script sets the browser's locale to one of the two."""
    return {
        "en": {key: english for key, (english, _) in TEXTS.items()},
        "zh-CN": {key: chinese for key, (_, chinese) in TEXTS.items()},
    }


def language_of(headers: Mapping[str, str], cookies: Mapping[str, str]) -> Language:
    """The person's language: their own choice (cookie), else the first of en and zh that the browser prefers."""
    chosen = cookies.get(LANGUAGE_COOKIE)
    if chosen in ("en", "zh"):
        return "zh" if chosen == "zh" else "en"
    for tag in _preferred(headers.get("accept-language", "")):
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "en"


def _preferred(header: str) -> list[str]:
    """Language tags, best first."""
    ranked = []
    for item in header.lower().split(","):
        tag, _, quality = item.strip().partition(";q=")
        ranked.append((-_number(quality), tag.strip()))
    return [tag for weight, tag in sorted(ranked, key=lambda pair: pair[0]) if weight < 0]


def _number(quality: str) -> float:
    try:
        return float(quality) if quality else 1.0
    except ValueError:
        return 0.0
