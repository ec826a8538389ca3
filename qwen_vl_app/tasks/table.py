"""The tasks, as data.

Prompts: Qwen's cookbooks (reading, places, key-value pairs) and, where they are silent, plain words in both languages.
"""

from qwen_vl_app.tasks.task import Task, Words

ASPECTS: Words = (
    "people, clothing, action, background, light, emotion",
    "人物, 服饰, 动作, 背景, 光线, 情感",
)
_THINGS: Words = ("What to find; empty: everything", "要找什么；留空则找出所有物体")

ASK = Task("ask", ("Ask", "提问"), ("", ""))
DESCRIBE = Task("describe", ("Describe", "描述"), ("Describe this picture.", "请描述这张图片。"))

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        ASK,
        DESCRIBE,
        Task(
            "detail",
            ("In detail", "详细描述"),
            ("Describe this picture in detail.", "请详细描述这张图片的内容，包括人物、动作、环境和情感氛围"),
        ),
        Task(
            "aspects",
            ("Six aspects", "六个方面"),
            (
                "Describe this picture under six aspects in the format: {}",
                "请从六个方面分析这张图片，按以下格式输出：{}",
            ),
            kind="fields",
            everything=ASPECTS,
            listed=True,
        ),
        Task(
            "read",
            ("Read the text", "识别文字"),
            ("Read all the text in the image.", "请读出图中的所有文字。"),
            detail="fine",
            exact=True,
            tiled=True,
        ),
        Task(
            "spot",
            ("Text with places", "文字与位置"),
            (
                "Spotting all the text in the image with line-level, and output in JSON format as "
                "[{'bbox_2d': [x1, y1, x2, y2], 'text_content': 'text'}, ...].",
                "检测并识别图中所有文字，以JSON格式输出，"
                "如[{'bbox_2d': [x1, y1, x2, y2], 'text_content': '文字'}, ...]。",
            ),
            detail="fine",
            exact=True,
            kind="places",
            tiled=True,
        ),
        Task(
            "pairs",
            ("Fields to JSON", "提取字段"),
            ("Extract the key-value information in the format: {}", "提取图中的关键信息，按以下格式输出：{}"),
            detail="fine",
            exact=True,
            kind="fields",
            hint=("Fields, separated by commas; empty: all of them", "字段名，用逗号分隔；留空则提取全部"),
            listed=True,
        ),
        Task(
            "find",
            ("Find things", "框出物体"),
            (
                'locate every instance that belongs to the following categories: "{}". '
                "Report bbox coordinates in JSON format.",
                "请框出{}，以JSON格式输出bbox坐标。",
            ),
            detail="fine",
            exact=True,
            kind="places",
            hint=_THINGS,
            everything=("object", "图中所有物体"),
        ),
        Task(
            "point",
            ("Point to things", "指出物体"),
            (
                'locate every instance that belongs to the following categories: "{}". '
                "Report point coordinates in JSON format.",
                "请指出{}，以JSON格式输出点坐标。",
            ),
            detail="fine",
            exact=True,
            kind="places",
            hint=_THINGS,
            everything=("object", "图中所有物体"),
        ),
        Task(
            "keywords",
            ("Keywords", "关键词"),
            ("List keywords for this picture.", "给出这张图片的关键词。"),
            detail="coarse",
        ),
        Task(
            "summary",
            ("One line", "一句话概括"),
            ("Summarize this picture in one line.", "用一句话概括这张图片。"),
            detail="coarse",
        ),
        Task(
            "copy",
            ("Product copy", "商品文案"),
            (
                "Write a short product text for what this picture shows: a title, three selling points that can be "
                "seen in the picture, and one closing line. Invent no facts.",
                "请为图中的商品写一段简短的文案：一个标题、三个图中看得到的卖点和一句结尾。不要编造信息。",
            ),
        ),
        Task(
            "compare",
            ("Compare two", "比较两图"),
            ("Compare the two pictures.", "比较这两张图片。"),
            pictures=2,
        ),
        Task(
            "inspect",
            ("Inspect against a reference", "对照检查"),
            (
                "Picture 1 is the reference, picture 2 is to be inspected. Does it pass? Begin with PASS or FAIL; if "
                "it fails, report every difference in picture 2 as bbox coordinates in JSON format with a label.",
                "第一张图是标准样品，第二张图是待检品。是否合格？先写“合格”或“不合格”；如不合格，"
                "请以JSON格式输出第二张图中每处差异的bbox坐标和label。",
            ),
            detail="fine",
            exact=True,
            kind="places",
            pictures=2,
        ),
        Task(
            "solve",
            ("Solve or explain", "解题与讲解"),
            (
                "Solve or explain what this picture shows, step by step. Write formulas in LaTeX between $ signs.",
                "请一步一步解答或讲解图中的内容。公式用 $ 包围的 LaTeX 书写。",
            ),
            detail="fine",
        ),
        Task(
            "click",
            ("Where to click", "点击哪里"),
            (
                'This is a screen. Where must one click to do this: "{}"? Report the point coordinates in JSON format.',
                "这是一张屏幕截图。要完成“{}”，应点击哪里？以JSON格式输出点坐标。",
            ),
            detail="fine",
            exact=True,
            kind="places",
            hint=("What is to be done on the screen", "想在屏幕上做什么"),
            everything=("go on", "继续"),
        ),
    )
}

# Ready lists of fields, for documents that people have most often.
FIELD_SETS: dict[str, tuple[Words, Words]] = {
    "licence": (
        ("Business licence", "营业执照"),
        (
            "company name, registration number, type, legal representative, registered capital, "
            "date of establishment, address, business scope",
            "名称, 统一社会信用代码, 类型, 法定代表人, 注册资本, 成立日期, 住所, 经营范围",
        ),
    ),
    "receipt": (
        ("Receipt", "票据"),
        ("seller, date, number, items, total, tax, currency", "销售方, 日期, 号码, 商品, 合计金额, 税额, 币种"),
    ),
    "card": (
        ("ID-like card", "证件"),
        ("name, sex, date of birth, number, address, valid until", "姓名, 性别, 出生日期, 号码, 地址, 有效期"),
    ),
}
