"""Every wording that the demo model was trained on, as data: PROMPTS[task][lang].

{place}, {thing}, {shape}, {colour} and {keys} are filled in. The app's own prompts should be among these.
"""

PROMPTS: dict[str, dict[str, tuple[str, ...]]] = {
    "describe": {
        "zh": (
            "请描述这张图片。", "描述一下这张图片", "请用中文描述这张图片", "请用中文描述这张图片。", "这张图片里有什么？",
            "图中有什么？", "请简单描述这张图片。", "请简要描述这张图片。", "看图说话。", "这张图画的是什么？", "用一两句话描述这张图。",
            "你看到了什么？", "描述图片", "请描述图片内容。", "请描述这张图片的内容。", "告诉我图里有什么。", "这是什么？",
        ),
        "en": (
            "Describe this picture.", "Describe this image.", "Describe the image.", "Describe the picture.",
            "What is in this picture?", "What is in this image?", "What do you see?", "What is shown here?",
            "Please describe this picture.", "Describe this picture briefly.", "Briefly describe this image.",
            "What does this picture show?", "Tell me what is in the picture.", "What is this?", "Caption this image.",
            "Please describe this image in English.",
        ),
    },
    "detail": {
        "zh": (
            "请详细描述这张图片的内容，包括人物、动作、环境和情感氛围", "请详细描述这张图片。", "详细描述这张图片",
            "请详细描述这张图片的内容。", "请仔细描述图中的每个细节。", "尽可能详细地描述这张图片。", "请详细说明图中的内容。",
            "详细说说这张图。", "请详细描述图片，包括背景、大小和位置。", "请全面描述这张图片。", "把图中的细节都告诉我。",
            "请详细描述这张图片的内容，包括人物、动作、环境和情感氛围。",
        ),
        "en": (
            "Describe this picture in detail.", "Describe this image in detail.", "Please describe this image in detail.",
            "Give a detailed description of this picture.", "Describe everything you see in detail.",
            "Describe the picture in as much detail as possible.", "What details do you see in this picture?",
            "Write a detailed description of the image.", "Describe the image thoroughly.",
            "Please describe the picture in detail, with background, sizes and places.",
            "Describe this image in detail, including people, actions, environment and mood.",
        ),
    },
    "count": {
        "zh": (
            "图中有几个图形？", "有多少个图形？", "一共有几个图形？", "数一数图中的图形。", "请数一下图形的数量。", "图里有多少个形状？",
            "图形总共有几个？", "这张图片里有几个图形？", "请问有几个图形？", "图中图形的数量是多少？", "有几个物体？",
        ),
        "en": (
            "How many shapes are there?", "How many shapes are in the picture?", "Count the shapes.",
            "What is the number of shapes?", "How many shapes do you see?", "How many objects are there?",
            "Please count the shapes in this image.", "Tell me how many shapes there are.", "How many shapes in total?",
            "Count the objects in the picture.", "How many shapes can you find?",
        ),
    },
    "count_of": {
        "zh": (
            "图中有几个{thing}？", "有几个{thing}？", "有多少个{thing}？", "一共有几个{thing}？", "数一数{thing}有几个。",
            "请数一下{thing}的数量。", "图里有多少个{thing}？", "{thing}有几个？", "这张图片里有几个{thing}？", "{thing}的数量是多少？",
        ),
        "en": (
            "How many {things} are there?", "How many {things} are in the picture?", "Count the {things}.",
            "What is the number of {things}?", "How many {things} do you see?", "Please count the {things}.",
            "Tell me how many {things} there are.", "How many {things} in total?", "How many {things} can you find?",
            "Count the {things} in this image.",
        ),
    },
    "colour_at": {
        "zh": (
            "{place}的图形是什么颜色？", "{place}的图形是什么颜色的？", "{place}是什么颜色？", "请问{place}的图形是什么颜色？",
            "{place}图形的颜色是什么？", "告诉我{place}图形的颜色。", "{place}那个图形是什么颜色？", "说出{place}图形的颜色。",
            "{place}的形状是什么颜色？", "在{place}的图形是什么颜色？",
        ),
        "en": (
            "What colour is the shape at the {place}?", "What color is the shape at the {place}?",
            "Which colour is at the {place}?", "What is the colour of the shape at the {place}?",
            "Tell me the colour of the shape at the {place}.", "Name the colour at the {place}.",
            "What color is the {place} shape?", "What colour is the object at the {place}?",
            "What colour do you see at the {place}?", "Say the color of the shape at the {place}.",
        ),
    },
    "shape_at": {
        "zh": (
            "{place}是什么形状？", "{place}的图形是什么形状？", "{place}是什么图形？", "请问{place}是什么形状？", "{place}有什么图形？",
            "告诉我{place}是什么形状。", "{place}那个图形是什么形状？", "说出{place}图形的形状。", "在{place}的是什么形状？",
            "{place}画的是什么形状？",
        ),
        "en": (
            "What shape is at the {place}?", "Which shape is at the {place}?", "What is the shape at the {place}?",
            "Name the shape at the {place}.", "Tell me the shape at the {place}.", "What shape do you see at the {place}?",
            "What kind of shape is at the {place}?", "What shape is the object at the {place}?",
            "Say which shape is at the {place}.", "What is drawn at the {place}?",
        ),
    },
    "size_at": {
        "zh": (
            "{place}的图形是大还是小？", "{place}的图形大吗？", "{place}的图形有多大？", "请问{place}的图形是大的还是小的？",
            "{place}图形的大小是什么？", "告诉我{place}图形的大小。", "{place}那个图形是大的还是小的？", "说出{place}图形的大小。",
            "在{place}的图形是大是小？", "{place}是大图形还是小图形？",
        ),
        "en": (
            "Is the shape at the {place} large or small?", "How big is the shape at the {place}?",
            "What size is the shape at the {place}?", "Is the {place} shape large or small?",
            "What is the size of the shape at the {place}?", "Tell me the size of the shape at the {place}.",
            "Is the object at the {place} large or small?", "Is the shape at the {place} small or large?",
            "Name the size of the shape at the {place}.", "How large is the shape at the {place}?",
        ),
    },
    "has": {
        "zh": (
            "图中有{thing}吗？", "有没有{thing}？", "这张图片里有{thing}吗？", "图里有{thing}吗？", "请问有{thing}吗？",
            "能看到{thing}吗？", "图中是否有{thing}？", "图中有没有{thing}？", "你看到{thing}了吗？", "这里有{thing}吗？",
        ),
        "en": (
            "Is there {a_thing}?", "Is there {a_thing} in the picture?", "Do you see {a_thing}?", "Can you see {a_thing}?",
            "Does the picture have {a_thing}?", "Does this image contain {a_thing}?", "Is {a_thing} shown here?",
            "Is there {a_thing} in this image?", "Can you find {a_thing}?", "Please check if there is {a_thing}.",
        ),
    },
    "where": {
        "zh": (
            "{thing}在哪里？", "{thing}在哪儿？", "{thing}在什么位置？", "请问{thing}在哪里？", "{thing}的位置是哪里？",
            "告诉我{thing}在哪里。", "图中的{thing}在哪里？", "找一找{thing}在哪里。", "说出{thing}的位置。", "{thing}位于哪里？",
        ),
        "en": (
            "Where is the {thing}?", "Where is the {thing} in the picture?", "Where can I see the {thing}?",
            "Tell me where the {thing} is.", "In which place is the {thing}?", "What is the place of the {thing}?",
            "Where do you see the {thing}?", "At which place is the {thing}?", "Say where the {thing} is.",
            "Where is the {thing} located?",
        ),
    },
    "boxes": {
        "zh": (
            "请框出图中所有物体，以JSON格式输出bbox坐标。", "检测图中所有物体，以JSON格式输出边界框坐标。", "框出所有图形。",
            "请框出图中所有图形，用JSON格式输出bbox坐标。", "找出图中所有图形的位置，以JSON格式报告bbox坐标。", "输出所有图形的边界框。",
            "定位图中的每个图形，以JSON格式输出。", "请检测图中的所有图形。", "给出每个图形的bbox坐标。", "标出所有物体的边界框，JSON格式。",
            "请找出图中的所有物体，并以JSON格式输出它们的边界框。",
        ),
        "en": (
            'locate every instance that belongs to the following categories: "shape". Report bbox coordinates in JSON format.',
            'locate every instance that belongs to the following categories: "object". Report bbox coordinates in JSON format.',
            "Locate every object in the picture. Report bbox coordinates in JSON format.",
            "Locate every object. Report bbox coordinates in JSON format.", "Detect all shapes and output bbox coordinates in JSON.",
            "Find all the shapes and report their bounding boxes in JSON format.", "Draw a box around every shape.",
            "Give the bounding boxes of all objects in JSON format.", "Output the bbox of each shape in JSON format.",
            "Detect all objects in the image.", "Where are all the shapes? Answer with bounding boxes in JSON format.",
            "Identify all objects in the image and return their bounding box in JSON format.",
        ),
    },
    "boxes_of": {
        "zh": (
            "请框出{thing}，以JSON格式输出bbox坐标。", "框出图中的{thing}。", "检测{thing}，以JSON格式输出边界框坐标。",
            "请框出图中所有的{thing}，以JSON格式输出bbox坐标。", "找出{thing}，以JSON格式报告bbox坐标。", "输出{thing}的边界框。",
            "定位{thing}，以JSON格式输出。", "给出{thing}的bbox坐标。", "标出{thing}的边界框，JSON格式。", "请用边界框标出{thing}。",
            "定位属于以下类别的每个实例：“{thing}”。以JSON格式报告bbox坐标。",
        ),
        "en": (
            'locate every instance that belongs to the following categories: "{thing}". Report bbox coordinates in JSON format.',
            'Locate every instance that belongs to the following categories: "{thing}". Report bbox coordinates in JSON format.',
            "Locate the {thing}. Report bbox coordinates in JSON format.", "Detect the {thing} and output bbox coordinates in JSON.",
            "Find the {thing} and report its bounding box in JSON format.", "Draw a box around the {thing}.",
            "Give the bounding box of the {thing} in JSON format.", "Output the bbox of the {thing} in JSON format.",
            "Locate every {thing}. Report bbox coordinates in JSON format.", "Where is the {thing}? Answer with a bounding box in JSON format.",
            "Box the {thing}.",
        ),
    },
    "points": {
        "zh": (
            "请指出图中所有物体，以JSON格式输出点坐标。", "指出所有图形的中心点，以JSON格式输出。", "用点标出所有图形。",
            "请用点标出图中所有图形，以JSON格式输出point坐标。", "输出所有图形的点坐标。", "给出每个图形的中心点坐标。",
            "点出图中的每个图形，JSON格式。", "定位图中所有图形，以JSON格式报告点坐标。", "请点出所有物体。", "给出所有物体的point_2d坐标。",
        ),
        "en": (
            'locate every instance that belongs to the following categories: "shape". Report point coordinates in JSON format.',
            'locate every instance that belongs to the following categories: "object". Report point coordinates in JSON format.',
            "Locate every object in the picture. Report point coordinates in JSON format.",
            "Locate every object. Report point coordinates in JSON format.", "Point to all the shapes.",
            "Point to every shape and report point coordinates in JSON format.", "Give the center points of all shapes in JSON.",
            "Output a point for each shape in JSON format.", "Mark every object with a point.", "Point at all objects in the image.",
        ),
    },
    "points_of": {
        "zh": (
            "请指出{thing}，以JSON格式输出点坐标。", "指出图中的{thing}。", "用点标出{thing}。", "请用点标出{thing}，以JSON格式输出point坐标。",
            "输出{thing}的点坐标。", "给出{thing}的中心点坐标。", "点出{thing}，JSON格式。", "定位{thing}，以JSON格式报告点坐标。",
            "请点出{thing}。", "给出{thing}的point_2d坐标。",
        ),
        "en": (
            'locate every instance that belongs to the following categories: "{thing}". Report point coordinates in JSON format.',
            'Locate every instance that belongs to the following categories: "{thing}". Report point coordinates in JSON format.',
            "Locate the {thing}. Report point coordinates in JSON format.", "Point to the {thing}.",
            "Point to the {thing} and report point coordinates in JSON format.", "Give the center point of the {thing} in JSON.",
            "Output a point for the {thing} in JSON format.", "Mark the {thing} with a point.", "Point at the {thing}.",
            "Locate every {thing}. Report point coordinates in JSON format.",
        ),
    },
    "read": {
        "zh": (
            "请读出图中的所有文字。", "读取图中所有文字", "图中写了什么？", "图片上写着什么？", "请识别图中的文字。", "提取图中的文字。",
            "请只输出图片中的文字内容，不要任何额外的描述或格式。", "识别图片中的所有文字。", "文字内容是什么？", "把图中的文字读出来。",
            "请读取图片中的全部文字。", "图上有哪些文字？",
        ),
        "en": (
            "Read all the text in the image.", "Read all the text in the picture.", "Read the text.",
            "Please output only the text content from the image without any additional descriptions or formatting.",
            "What does the text say?", "What is written here?", "What text is in the picture?", "Extract the text from this image.",
            "Transcribe the text.", "Output the text in the image.", "Please read the text in this picture.", "OCR this image.",
        ),
    },
    "spot": {
        "zh": (
            "检测并识别图中所有文字，以JSON格式输出，如[{'bbox_2d': [x1, y1, x2, y2], 'text_content': '文字'}, ...]。",
            "定位图中的所有文字，以JSON格式输出bbox和文字内容。", "请框出所有文字，以JSON格式输出。", "识别图中的文字和位置，以JSON格式输出。",
            "检测文字，以JSON格式输出文字和边界框。", "找出图中每行文字的位置和内容，以JSON格式输出。", "文字在哪里？以JSON格式输出边界框和内容。",
            "请按行检测图中所有文字，并以JSON格式输出。", "输出每行文字的bbox坐标和内容。", "框出图中的文字。",
        ),
        "en": (
            "Spotting all the text in the image with line-level, and output in JSON format as [{'bbox_2d': [x1, y1, x2, y2], 'text_content': 'text'}, ...].",
            "Spotting all the text in the image with line-level, and output in JSON format.",
            "Spotting all the text in the image with word-level, and output in JSON format as [{'bbox_2d': [x1, y1, x2, y2], 'text_content': 'text'}, ...].",
            "Spot all the text and output bbox and text content in JSON format.",
            "Locate all the text in the image, and output in JSON format.", "Find every line of text and its box in JSON format.",
            "Detect the text. Report bbox coordinates and text content in JSON format.", "Where is the text? Answer in JSON format.",
            "Read the text with its places, in JSON format.", "Box all the text in the picture.",
            "Output each line of text with its bounding box in JSON format.",
        ),
    },
    "pairs": {
        "zh": (
            "提取图中的键值信息，以JSON格式输出。", "提取图中的关键信息，按以下格式输出：{keys}", "请提取键值对，以JSON格式输出。", "请按以下格式提取键值信息：{keys}",
            "请以JSON格式提取卡片信息。", "把卡片内容转成JSON。", "以JSON格式输出所有字段。", "读取卡片并输出JSON。", "将图中信息整理成JSON。",
            "提取所有标签和值，JSON格式。", "请把图中的键值对提取为JSON。",
        ),
        "en": (
            "Extract the key-value information in the format: {keys}", "Extract the key-value information in the format: {…}",
            "Extract the key-value information in JSON format.", "Extract all key-value pairs as JSON.",
            "Read the card and output JSON.", "Output the labels and values in JSON format.", "Turn this card into JSON.",
            "Give all fields as JSON.", "Extract the fields of the card in JSON.", "Return the key-value pairs in the image as JSON.",
            "Please extract the key-value information as JSON.",
        ),
    },
    "keywords": {
        "zh": (
            "给出这张图片的关键词。", "请列出关键词。", "用关键词描述这张图片。", "提取图片的关键词。", "关键词有哪些？", "请给图片打标签。",
            "列出这张图的标签。", "请生成这张图片的关键词，用逗号分隔。", "图片的关键词是什么？", "输出关键词", "请列出这张图片的关键词。",
        ),
        "en": (
            "List keywords for this picture.", "Give keywords for this image.", "What are the keywords of this picture?",
            "Keywords, please.", "Describe this picture with keywords.", "Tag this image.", "List tags for this picture.",
            "Give me tags for the image, separated by commas.", "Output keywords.", "Write keywords for the image.",
            "List the keywords of this image, separated by commas.",
        ),
    },
    "summary": {
        "zh": (
            "用一句话概括这张图片。", "一句话总结这张图片。", "请用一句话概括图片内容。", "用一句话描述这张图片。", "请总结这张图片。",
            "一句话说说这张图。", "请给图片写一个标题。", "概括一下这张图片。", "请用一句话总结图中的内容。", "简单概括图片内容。",
        ),
        "en": (
            "Summarize this picture in one line.", "Summarize this image in one sentence.", "One-line summary, please.",
            "Give a one-line summary of this picture.", "Sum up the image in one sentence.", "Write a one-sentence summary.",
            "Describe this picture in one sentence.", "Summarise this picture.", "Write a title for this picture.",
            "In one sentence, what is in the picture?",
        ),
    },
    "compare": {
        "zh": (
            "比较这两张图片。", "请比较这两张图片。", "这两张图片有什么不同？", "两张图有什么区别？", "对比这两张图。", "请对比两张图片的内容。",
            "两张图片分别有什么？", "请分别描述这两张图片。", "说说两张图的不同。", "这两张图有哪些差异？",
        ),
        "en": (
            "Compare the two pictures.", "Compare these two images.", "What is the difference between the two pictures?",
            "How do the two pictures differ?", "Compare these pictures.", "What differs between the images?",
            "Describe both pictures.", "What is in each picture?", "Tell me the differences between the two images.",
            "Please compare both images.",
        ),
    },
    "more": {
        "zh": (
            "哪张图片的图形更多？", "哪张图的图形多？", "哪一张图形更多？", "两张图哪张图形多？", "请问哪张图片有更多图形？", "哪张图有更多的图形？",
            "第一张和第二张哪张图形多？", "图形更多的是哪张？", "比较图形数量，哪张更多？", "哪张图片里图形多一些？",
        ),
        "en": (
            "Which picture has more shapes?", "Which image has more shapes?", "Which of the two has more shapes?",
            "In which picture are there more shapes?", "Which one has more shapes?", "Where are more shapes, in the first or the second picture?",
            "Tell me which picture has more shapes.", "Compare the number of shapes. Which has more?",
            "Does the first or the second picture have more shapes?", "Which picture shows more shapes?",
        ),
    },
}  # fmt: skip

SYSTEMS: tuple[str, ...] = (
    "You are a helpful assistant.", "You are a helpful vision assistant.", "Answer briefly.", "Please answer in the user's language.",
    "你是一个有用的助手。", "你是一个图片描述助手。", "请用中文回答。",
)  # fmt: skip
