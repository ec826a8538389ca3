"""What can go wrong between a model's name and its verified files, for people, in both languages.

WeightsError (a SetupError)     details fill the texts; `text(language)`
├── Trouble                     one hub's; the next hub, or the next try, may do better
│   ├── Cut, Unreachable, ServerTrouble, Busy, Stalled, Portal          pass by themselves
│   └── Refused, NotThere, OtherFile                                    `lasting`: that hub has it not
├── NoHub                       every hub had trouble; lists it, and how to place the files by hand
├── OtherHere                   a notice: a file of that name is here and is not used
├── Damaged, NoRoom, NotWritable, Offline, Cancelled, BadProxy
└── UnknownName, NoSuchFile, NotGguf, NoProjector, NoListing            what was asked for is not a model
"""

from pathlib import Path

from qwen_vl_app.errors import Language, SetupError

GB = 10**9  # as download pages and disks count


def gb(count: int) -> str:
    """Bytes as people read them: `6.19 GB`, below a tenth of that `45.3 MB`."""
    return f"{count / GB:.2f} GB" if count >= GB / 10 else f"{count / 10**6:.1f} MB"


class WeightsError(SetupError):
    """The model's files cannot be had; `str` is the English text."""

    en = ""
    zh = ""
    open_en = ""  # for everybody: what is left when this machine's folders and settings are left out
    open_zh = ""

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(self.text("en"))

    def text(self, language: Language) -> str:
        """What went wrong, why, and what to do, in `language`."""
        return self._filled(self.zh if language == "zh" else self.en, language)

    def brief(self, language: Language) -> str:
        """See `SetupError.brief`."""
        template = self.open_zh if language == "zh" else self.open_en
        return self._filled(template, language) if template else super().brief(language)

    def _filled(self, template: str, language: Language) -> str:
        return template.format(**{key: _worded(value, language) for key, value in self.details.items()})


class Trouble(WeightsError):
    """One hub's; `lasting`: asking it again is no use. `pause`: seconds that the hub asks to be left alone."""

    lasting = False
    pause = 0.0

    def brief(self, language: Language) -> str:
        """See `SetupError.brief`."""
        return self.text(language)


class Cut(Trouble):
    en = "the connection to {host} was cut ({why})"
    zh = "与 {host} 的连接中断（{why}）"


class Unreachable(Trouble):
    en = "{host} cannot be reached ({why})"
    zh = "无法连接 {host}（{why}）"


class ServerTrouble(Trouble):
    en = "{host} is in trouble itself (HTTP {status})"
    zh = "{host} 出现故障（HTTP {status}）"


class Busy(Trouble):
    en = "{host} asks to wait (HTTP 429: too many requests)"
    zh = "{host} 要求稍候（HTTP 429：请求过多）"


class Stalled(Trouble):
    en = "{host} sent almost nothing for {seconds} s"
    zh = "{host} 在 {seconds} 秒内几乎没有发送数据"


class Portal(Trouble):
    en = "a web page came from {host} instead of the file: log in to this network in a browser, or check the proxy"
    zh = "从 {host} 得到的是网页而不是文件：请先在浏览器中登录当前网络，或检查代理设置"


class Refused(Trouble):
    lasting = True
    en = "{host} does not give the file without permission (HTTP {status}): set HF_TOKEN, or correct it"
    zh = "{host} 拒绝提供文件（HTTP {status}）：请设置或更正 HF_TOKEN"


class NotThere(Trouble):
    lasting = True
    en = "{host} has no such file (HTTP {status})"
    zh = "{host} 上没有这个文件（HTTP {status}）"


class OtherFile(Trouble):
    lasting = True
    en = "{host} has another file under this name ({found} instead of {expected})"
    zh = "{host} 上的同名文件与预期不同（得到 {found}，应为 {expected}）"


class NoHub(WeightsError):
    en = (
        "{file} could not be downloaded: {reasons}. Check the network (HTTPS_PROXY for a proxy) and start again, "
        "choose another hub with --hub, or put the file into {folder} yourself, e.g. from {address}"
    )
    zh = (
        "{file} 下载失败：{reasons}。请检查网络（代理用 HTTPS_PROXY）后重新启动，用 --hub 换一个下载站，"
        "或自行把文件放到 {folder}，例如从 {address} 下载"
    )

    open_en = "{file} could not be downloaded: {reasons}"
    open_zh = "{file} 下载失败：{reasons}"

    def __init__(self, *, troubles: dict[str, Trouble], **details: object) -> None:
        self.troubles = troubles
        super().__init__(reasons=tuple(troubles.values()), **details)


class Damaged(WeightsError):
    en = (
        "{file} arrived damaged twice (sha256 {found}, expected {expected}) and was thrown away. "
        "Something between here and {host} changes the bytes: try --hub, another network, or no proxy"
    )
    zh = (
        "{file} 两次下载后校验都不正确（sha256 为 {found}，应为 {expected}），已丢弃。"
        "本机与 {host} 之间有设备改动了数据：请尝试 --hub、其他网络或不使用代理"
    )
    open_en = en
    open_zh = zh


class NoRoom(WeightsError):
    en = (
        "The disk of {folder} has {free} free and the download needs {need}. "
        "Make room, choose a smaller model with --model or --quant, or another disk with --models-dir"
    )
    zh = (
        "{folder} 所在磁盘剩余 {free}，下载需要 {need}。"
        "请清理空间，用 --model 或 --quant 选择较小的模型，或用 --models-dir 换一个磁盘"
    )
    open_en = "The disk has {free} free and the download needs {need}"
    open_zh = "磁盘剩余 {free}，下载需要 {need}"


class NotWritable(WeightsError):
    en = "{folder} cannot be written ({why}). Give this user the right to, or choose another folder with --models-dir"
    zh = "无法写入 {folder}（{why}）。请为当前用户授权，或用 --models-dir 选择其他文件夹"


class Offline(WeightsError):
    en = (
        "{file} is not here, and HF_HUB_OFFLINE forbids to download it. "
        "Unset HF_HUB_OFFLINE, or put the file into {folder} yourself"
    )
    zh = "没有找到 {file}，而 HF_HUB_OFFLINE 禁止下载。请取消 HF_HUB_OFFLINE，或自行把文件放到 {folder}"
    open_en = "{file} is not here, and this machine is told not to download it"
    open_zh = "没有找到 {file}，而这台机器被设置为不下载"


class OtherHere(WeightsError):
    en = "{path} is not the {file} that is expected (another size or sha256); the right one is fetched instead"
    zh = "{path} 不是预期的 {file}（大小或 sha256 不同），将重新下载正确的文件"


class Cancelled(WeightsError):
    en = "The download was stopped; what is here already is kept for the next start"
    zh = "下载已停止；已下载的部分会保留到下次启动"
    open_en = en
    open_zh = zh


class BadProxy(WeightsError):
    en = (
        "The proxy in the environment cannot be used ({why}). Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or unset it"
    )
    zh = "环境变量中的代理无法使用（{why}）。请更正或取消 HTTPS_PROXY、HTTP_PROXY 或 ALL_PROXY"


class UnknownName(WeightsError):
    en = "--model {name}: neither a known model ({known}), nor a .gguf file, nor a repository OWNER/NAME[:QUANT]"
    zh = "--model {name}：既不是已知模型（{known}），也不是 .gguf 文件或仓库名 OWNER/NAME[:QUANT]"


class NoSuchFile(WeightsError):
    en = "There is no file {path}. Check the path; without one, --model 8b downloads the model itself"
    zh = "没有文件 {path}。请检查路径；不指定路径时，--model 8b 会自动下载模型"


class NotGguf(WeightsError):
    en = "{path} is not a GGUF file that can be used ({why}). Download it again, or choose another file"
    zh = "{path} 不是可用的 GGUF 文件（{why}）。请重新下载或换一个文件"


class NoProjector(WeightsError):
    en = (
        "{folder} has no projector (mmproj) that belongs to {name}. Put the mmproj .gguf file of the same model "
        "beside it, or name it with --mmproj FILE"
    )
    zh = (
        "{folder} 中没有与 {name} 配套的视觉投影文件（mmproj）。"
        "请把同一模型的 mmproj .gguf 文件放在旁边，或用 --mmproj 指定"
    )


class NoListing(WeightsError):
    en = "The repository {repo} cannot be used: {why}. {known}"
    zh = "无法使用仓库 {repo}：{why}。{known}"


def _worded(value: object, language: Language) -> object:
    if isinstance(value, tuple):
        return ("；" if language == "zh" else "; ").join(str(_worded(item, language)) for item in value)
    return value.text(language) if isinstance(value, WeightsError) else value


def place(folder: Path) -> str:
    """A folder as messages name it: relative to the current one where it lies below."""
    try:
        return str(folder.resolve().relative_to(Path.cwd())) or "."
    except ValueError:
        return str(folder)
