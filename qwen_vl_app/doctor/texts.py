"""The doctor's sentences in both languages: what was found, and what to do about it."""

TITLES = {
    "python": ("Python", "Python"),
    "build": ("llama.cpp", "llama.cpp"),
    "proof": ("Proof", "验证"),
    "processor": ("Processor", "处理器"),
    "gpu": ("GPU", "GPU"),
    "disk": ("Disk", "磁盘"),
    "port": ("Port", "端口"),
    "model": ("Model", "模型"),
    "hub": ("Hub", "下载站"),
    "locale": ("Locale", "语言环境"),
}

FOUND = {
    "python": ("{version}, {bits} bit", "{version}，{bits} 位"),
    "build": ("llama-cpp-python {version}", "llama-cpp-python {version}"),
    "no_build": ("llama-cpp-python is not installed in this Python", "当前 Python 中没有安装 llama-cpp-python"),
    "proof": (
        "a tiny quantised model was computed, with the right result",
        "已用一个很小的量化模型计算，结果正确",
    ),
    "no_proof": ("the build does not compute here: {why}", "这个版本在本机无法计算：{why}"),
    "unproved": ("nothing to prove without the build", "没有安装，无法验证"),
    "processor": (
        "{machine}, {cores} cores, {free} of {total} memory free",
        "{machine}，{cores} 核，内存剩余 {free} / {total}",
    ),
    "gpu": ("{name}, {free} of {total} free", "{name}，显存剩余 {free} / {total}"),
    "gpu_unused": (
        "a GPU ({name}) is here, but this build does not use it",
        "本机有 GPU（{name}），但当前版本没有使用它",
    ),
    "gpu_unusable": ("a GPU ({name}) is here, but cannot be used: {why}", "本机有 GPU（{name}），但无法使用：{why}"),
    "no_gpu": ("none that is usable: the processor computes", "没有可用的 GPU，由处理器计算"),
    "disk": ("{free} free in {folder}; {need} needed", "{folder} 剩余 {free}；需要 {need}"),
    "port": ("{host}:{port} is free", "{host}:{port} 可用"),
    "running": ("this program answers at {host}:{port} already", "本程序已经在 {host}:{port} 运行"),
    "busy": ("{host}:{port} cannot be used ({why})", "{host}:{port} 无法使用（{why}）"),
    "model": ("{file}: here and right ({size})", "{file}：已就绪且校验正确（{size}）"),
    "unchecked": ("{file}: here ({size}); no hash is known for it", "{file}：已就绪（{size}）；没有可供校验的哈希值"),
    "wrong": ("{path} is not the file that is expected", "{path} 不是预期的文件"),
    "missing": ("{file} is not here yet ({size})", "还没有 {file}（{size}）"),
    "no_model": ("{why}", "{why}"),
    "hub": ("{host} answers, its first MiB at {speed}/s", "{host} 可用，第一个 MiB 的速度为 {speed}/s"),
    "trouble": ("{why}", "{why}"),
    "offline": ("HF_HUB_OFFLINE is set: nothing is downloaded", "设置了 HF_HUB_OFFLINE：不会下载"),
    "local": ("not needed: this model is not downloaded", "不需要：这个模型无需下载"),
    "locale": ("{language}, output in {encoding}", "{language}，输出编码 {encoding}"),
}

ADVICE = {
    "": ("", ""),
    "python": (
        "install a 64-bit Python 3.10 or newer and run bash start.sh",
        "请安装 64 位 Python 3.10 或更新版本，然后运行 bash start.sh",
    ),
    "install": ("run bash start.sh, which installs and proves it", "请运行 bash start.sh，它会安装并验证"),
    "accelerator": (
        "run bash start.sh --accelerator {accelerator}, or --gpu-layers 0 if the processor is meant",
        "请运行 bash start.sh --accelerator {accelerator}；若确实要用处理器，请加 --gpu-layers 0",
    ),
    "room": (
        "make room, or choose another disk with --models-dir or a smaller --model",
        "请清理空间，或用 --models-dir 换磁盘、用 --model 选较小的模型",
    ),
    "port": ("stop the other program, or choose another with --port", "请停止占用它的程序，或用 --port 换一个端口"),
    "address": ("choose an address of this machine with --host", "请用 --host 指定本机的地址"),
    "open": (
        "if others cannot reach it: open this port in the firewall or the cloud's security group",
        "若其他人无法访问：请在防火墙或云服务器的安全组中放行该端口",
    ),
    "aside": (
        "it is replaced at the next start, and kept aside with the ending .wrong",
        "下次启动会重新下载正确的文件，原文件改名为 .wrong 保留",
    ),
    "fetch": ("the next start downloads it", "下次启动会自动下载"),
    "name": ("correct --model, --quant or --mmproj", "请更正 --model、--quant 或 --mmproj"),
    "place": ("put the file into {folder}, or choose --model demo", "请把文件放到 {folder}，或选择 --model demo"),
    "other_hub": (
        "no hub gives the model: check network and proxy (HTTPS_PROXY), or put the files into {folder} yourself",
        "没有可用的下载站：请检查网络和代理（HTTPS_PROXY），或自行把文件放到 {folder}",
    ),
    "utf8": ("set LANG=C.UTF-8 or another UTF-8 locale", "请设置 LANG=C.UTF-8 或其他 UTF-8 语言环境"),
}
