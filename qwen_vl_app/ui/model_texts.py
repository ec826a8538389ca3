"""The page's texts about the model itself: on its way, failed, chosen by the operator."""

TEXTS: dict[str, tuple[str, str]] = {
    "on_its_way": ("{model} is on its way", "正在准备 {model}"),
    "ask_already": (
        "You can choose a picture and ask already: the question is answered when the model is ready.",
        "现在就可以选择图片并提问，模型就绪后会立即回答。",
    ),
    "let_demo": ("Let the demo model answer now", "先由演示模型回答"),
    "demo_starts": ("The demo model is being loaded…", "正在加载演示模型……"),
    "by_demo": (
        "Demo model, which knows only drawn shapes:",
        "演示模型（只认识手绘图形）：",
    ),
    "troubled": ("{model} cannot be downloaded just now", "暂时无法下载 {model}"),
    "tries_again": (
        "It is tried again by itself until it works; what is here already is kept.",
        "程序会自动反复重试；已下载的部分会保留。",
    ),
    "no_model": ("{model} cannot answer", "{model} 无法回答"),
    "download_stopped": ("The download of {model} is stopped", "{model} 的下载已停止"),
    "download_kept": ("What is here already is kept.", "已下载的部分会保留。"),
    "visitors_wait": (
        "Whoever runs this program can try again or choose another model. Your question stays in its box.",
        "运行本程序的人可以重试或换用其他模型。您的问题会保留在输入框中。",
    ),
    "then_retry": (
        "When it is put right, press “{retry}”; or choose a smaller model below.",
        "解决后请点击“{retry}”，或在下方选择较小的模型。",
    ),
    "mend_install": ("When it is put right, press “{retry}”.", "解决后请点击“{retry}”。"),
    "mend_network": (
        "Check the network of this machine (HTTPS_PROXY names a proxy, --hub another hub), then press “{retry}”; "
        "or choose a smaller model below.",
        "请检查这台机器的网络（代理用 HTTPS_PROXY，其他下载站用 --hub），然后点击“{retry}”；或在下方选择较小的模型。",
    ),
    "by_hand": (
        "By hand: download these files on any machine and put them into {folder}, then press “{retry}”.",
        "手动放置：在任意机器上下载以下文件，放入 {folder}，然后点击“{retry}”。",
    ),
    "retry": ("Retry", "重试"),
    "retry_now": ("Try again now", "立即重试"),
    "continue": ("Continue the download", "继续下载"),
    "stop_download": ("Stop the download", "停止下载"),
    "taking_over": (
        "{model} is on its way; {now} answers meanwhile.",
        "正在准备 {model}；在此期间由 {now} 回答。",
    ),
    "not_taken_over": (
        "{model} could not take over; {now} answers on.",
        "未能换用 {model}；继续由 {now} 回答。",
    ),
    "models": ("Models on this machine", "本机模型"),
    "models_room": (
        "There is room for about {room} GB. Choosing downloads what is missing; the present model answers meanwhile.",
        "可用内存约 {room} GB。选择后会下载缺少的文件，在此期间由当前模型回答。",
    ),
    "models_model": ("Model", "模型"),
    "models_download": ("Download", "下载大小"),
    "models_memory": ("Memory", "所需内存"),
    "models_state": ("State", "状态"),
    "models_do": ("Actions", "操作"),
    "models_unknown": ("not known", "未知"),
    "models_fits": ("fits", "放得下"),
    "models_large": ("too large", "放不下"),
    "models_answers": ("answers now", "正在使用"),
    "models_coming": ("on its way", "准备中"),
    "models_here": ("downloaded", "已下载"),
    "models_partly": ("partly downloaded", "部分已下载"),
    "models_use": ("Use", "使用"),
    "models_delete": ("Delete…", "删除……"),
    "models_sure": ("Delete the files of {model}?", "删除 {model} 的文件？"),
    "models_yes": ("Yes, delete", "确认删除"),
    "bits_Q4_K_M": ("Q4_K_M, 4 bit", "Q4_K_M，4 位"),
    "bits_Q8_0": ("Q8_0, 8 bit", "Q8_0，8 位"),
    "bits_F16": ("F16, 16 bit", "F16，16 位"),
}
