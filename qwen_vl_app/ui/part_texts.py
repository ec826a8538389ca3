"""The page's texts about parts of a picture: the one that a person selects, the ones in which a long one is read."""

TEXTS: dict[str, tuple[str, str]] = {
    "region_select": ("Select a part", "选择区域"),
    "region_whole": ("Whole picture", "整张图片"),
    "region_hint": ("Drag a frame on the picture, or type its edges:", "在图片上拖出一个框，或输入边界："),
    "region_px": ("Selected part, in pixels", "选定区域（像素）"),
    "region_left": ("left", "左"),
    "region_top": ("top", "上"),
    "region_right": ("right", "右"),
    "region_bottom": ("bottom", "下"),
    "part_of": ("Part {part} of {parts}: {doing}", "第 {part} 部分，共 {parts} 部分：{doing}"),
    "read_in": ("Read in {parts} parts", "分 {parts} 部分读取"),
    "region_asked": (
        "Selected part: {left}–{right} % across, {top}–{bottom} % down",
        "选定区域：横向 {left}–{right}%，纵向 {top}–{bottom}%",
    ),
}
