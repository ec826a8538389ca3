"""Every line that the installation says to people, in English and Chinese."""

from collections.abc import Mapping

from qwen_vl_app.errors import Language, SetupError
from qwen_vl_app.install.accelerator_texts import ACCELERATORS
from qwen_vl_app.install.background_texts import BACKGROUND

TEXTS: Mapping[str, tuple[str, str]] = {
    **BACKGROUND,
    **ACCELERATORS,
    "installing": (
        "First start: installing into .venv. It is safe to interrupt; the next start goes on from there.",
        "首次启动：正在安装到 .venv。可以随时中断，下次启动会继续。",
    ),
    "repairing": ("An earlier installation was cut short; repairing it.", "上次安装没有完成，正在修复。"),
    "changed": (
        "The machine, Python or the app has changed since the last start; checking the installation.",
        "机器、Python 或程序自上次启动后有变化，正在检查安装。",
    ),
    "environment": ("[1/3] Making the environment .venv", "[1/3] 正在创建 .venv 环境"),
    "packages": ("[1/3] Installing the packages", "[1/3] 正在安装依赖包"),
    "sources": ("[2/3] Fetching llama-cpp-python's sources", "[2/3] 正在下载 llama-cpp-python 源码"),
    "building": (
        "[2/3] Building llama-cpp-python for this machine ({name}, {jobs} at a time); this takes minutes",
        "[2/3] 正在为本机编译 llama-cpp-python（{name}，{jobs} 个并行），需要几分钟",
    ),
    "installing_engine": ("[2/3] Installing llama-cpp-python", "[2/3] 正在安装 llama-cpp-python"),
    "installing_needs": ("[2/3] Installing what llama-cpp-python needs", "[2/3] 正在安装 llama-cpp-python 的依赖"),
    "proof_hangs": ("no answer in {seconds} seconds", "{seconds} 秒内没有结果"),
    "os_error": (
        "The installation in {folder} cannot go on: {why}. Check the folder's owner and permissions, then start again.",
        "无法在 {folder} 中继续安装：{why}。请检查该文件夹的所有者和权限，然后重新启动。",
    ),
    "proving": (
        "[3/3] Proving the build on quantised weights",
        "[3/3] 正在用量化权重验证编译结果",
    ),
    "proof_died": (
        "The {name} build failed its proof: {why}. Trying another way.",
        "“{name}”版本未通过验证：{why}。换一种方式。",
    ),
    "ready": ("Installed and proved.", "安装完成，并已通过验证。"),
    "not_installed": (
        "The engine could not be installed on this machine; whoever runs the program finds the reason in the terminal.",
        "引擎无法在这台机器上安装；运行本程序的人可以在终端里看到原因。",
    ),
    "ended": (
        "The installation of llama-cpp-python was ended from outside (exit status {code}). Start again; details: {log}",
        "llama-cpp-python 的安装被外部中止（退出码 {code}）。请重新启动；详情见 {log}",
    ),
    "waiting": (
        "Another start (process {pid}) is installing; waiting for it. Ctrl-C leaves.",
        "另一个启动进程（{pid}）正在安装，等待其完成。按 Ctrl-C 退出。",
    ),
    "interrupted": (
        "Interrupted; nothing is broken. The next start goes on from here.",
        "已中断，没有损坏任何内容。下次启动会继续。",
    ),
    "no_venv": (
        "This Python ({python}) lacks its venv module. Install it with '{command}', then start again.",
        "此 Python（{python}）缺少 venv 模块。请用“{command}”安装，然后重新启动。",
    ),
    "venv_failed": (
        "The environment .venv could not be made: {why}. Delete the folder .venv and start again; details: {log}",
        "无法创建 .venv 环境：{why}。请删除 .venv 文件夹后重新启动；详情见 {log}",
    ),
    "no_compiler": (
        "No working C and C++ compiler was found; llama.cpp is built with one. "
        "Install it with '{command}', then start again.",
        "没有找到可用的 C/C++ 编译器，编译 llama.cpp 需要它。请用“{command}”安装，然后重新启动。",
    ),
    "no_space": (
        "The disk of {folder} has {free} GB free and the installation needs {need} GB. Make room and start again.",
        "{folder} 所在磁盘剩余 {free} GB，安装需要 {need} GB。请清理空间后重新启动。",
    ),
    "disk_full": (
        "The disk became full while installing. Make room (about {need} GB) and start again; details: {log}",
        "安装过程中磁盘已满。请清理出约 {need} GB 空间后重新启动；详情见 {log}",
    ),
    "no_network": (
        "The package index could not be reached. Check the network, or set a mirror with "
        "'pip config set global.index-url ADDRESS' or a proxy with HTTPS_PROXY, then start again; details: {log}",
        "无法连接软件包索引。请检查网络，或用“pip config set global.index-url 镜像地址”设置镜像、"
        "用 HTTPS_PROXY 设置代理，然后重新启动；详情见 {log}",
    ),
    "certificate": (
        "The package index's certificate was refused. Check the clock of this machine and, behind a company proxy, "
        "set PIP_CERT to its certificate; details: {log}",
        "软件包索引的证书未通过验证。请检查本机时间；若在公司代理之后，请用 PIP_CERT 指定其证书；详情见 {log}",
    ),
    "no_version": (
        "The package index has no suitable version of a package, or could not be asked: {why}. "
        "Check the network and, if you set a mirror, try another one; details: {log}",
        "软件包索引中没有合适的版本，或无法查询：{why}。请检查网络；如果设置了镜像，请换一个；详情见 {log}",
    ),
    "stalled": (
        "Nothing moved for {minutes} minutes, so the installation was stopped. "
        "Check the network or set another mirror (pip config set global.index-url ADDRESS), then start again; "
        "details: {log}",
        "已有 {minutes} 分钟没有任何进展，安装已停止。请检查网络或更换镜像"
        "（pip config set global.index-url 镜像地址），然后重新启动；详情见 {log}",
    ),
    "out_of_memory": (
        "The compiler ran out of memory. Start again with fewer at a time: "
        "CMAKE_BUILD_PARALLEL_LEVEL=1 bash start.sh; details: {log}",
        "编译器内存不足。请减少并行数后重新启动：CMAKE_BUILD_PARALLEL_LEVEL=1 bash start.sh；详情见 {log}",
    ),
    "build_failed": (
        "llama-cpp-python could not be built: {why}. If you set CMAKE_ARGS, try without; details: {log}",
        "llama-cpp-python 编译失败：{why}。如果设置了 CMAKE_ARGS，请取消后再试；详情见 {log}",
    ),
    "install_failed": (
        "The packages could not be installed: {why}. Details: {log}",
        "依赖包安装失败：{why}。详情见 {log}",
    ),
    "no_build_works": (
        "llama-cpp-python was built in every known way and none runs on this machine (last: {why}). "
        "Please report it with {log}",
        "所有编译方式都无法在本机运行（最后一次：{why}）。请附上 {log} 反馈问题。",
    ),
    "open": (
        "Open {address} in a browser (or this machine's public address, port {port}).",
        "请在浏览器中打开 {address}（或本机公网地址的 {port} 端口）。",
    ),
    "no_password": (
        "This machine has no desktop, so the page is open to its networks, and nobody is asked for a password. "
        "For this machine only: --host 127.0.0.1; with a password: --auth user:password",
        "本机没有桌面，页面对其所在网络开放，且不需要密码。"
        "仅限本机访问：--host 127.0.0.1；设置密码：--auth 用户名:密码",
    ),
    "with_password": (
        "This machine has no desktop, so the page is open to its networks, with your password. "
        "For this machine only: --host 127.0.0.1",
        "本机没有桌面，页面对其所在网络开放，需要您设置的密码。仅限本机访问：--host 127.0.0.1",
    ),
}


def language(environ: Mapping[str, str]) -> Language:
    """The language of the terminal: zh for a Chinese locale, else en."""
    chosen = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "zh" if chosen.lower().startswith("zh") else "en"


def text(key: str, language: Language, **details: object) -> str:
    """The line `key` in `language`, with its details filled in."""
    english, chinese = TEXTS[key]
    return (chinese if language == "zh" else english).format(**details)


class InstallError(SetupError):
    """The installation cannot go on; `str` is the line `key` of the texts in the terminal's language."""

    def __init__(self, key: str, language: Language, **details: object) -> None:
        """`details` fill the line."""
        super().__init__(text(key, language, **details))
        self._key, self._details = key, details

    def text(self, language: Language) -> str:
        """See `SetupError.text`."""
        return text(self._key, language, **self._details)
