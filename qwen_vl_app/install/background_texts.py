"""The lines about a server in the background, in English and Chinese."""

from collections.abc import Mapping

OWN_FLAGS = (
    "bash start.sh [FLAGS of app.py]   installs what is missing and serves the page; its own flags:\n"
    "  --detach          serve in the background: the terminal may be closed\n"
    "  --status          is it running, and how is it (exit status 3: not running)\n"
    "  --stop            end it\n"
    "  --logs [-f]       what it said last; -f goes on\n"
    "  --install-only    install and prove, serve nothing\n",
    "bash start.sh [app.py 的参数]   安装缺少的部分并提供页面；它自己的参数：\n"
    "  --detach          在后台运行：可以关闭终端\n"
    "  --status          是否在运行、状态如何（退出码 3：没有运行）\n"
    "  --stop            结束运行\n"
    "  --logs [-f]       最近的输出；-f 持续显示\n"
    "  --install-only    只安装和验证，不提供页面\n",
)

BACKGROUND: Mapping[str, tuple[str, str]] = {
    "detached": (
        "Runs in the background (process {pid}): {address}  The terminal may be closed. "
        "bash start.sh --status says how it is, --logs -f what it does, --stop ends it.",
        "已在后台运行（进程 {pid}）：{address}  可以关闭终端。"
        "bash start.sh --status 查看状态，--logs -f 查看输出，--stop 结束运行。",
    ),
    "goes_on": (
        "It goes on in the background (process {pid}): {address}  bash start.sh --logs -f shows what it does.",
        "它会在后台继续（进程 {pid}）：{address}  用 bash start.sh --logs -f 查看输出。",
    ),
    "runs_already": (
        "It runs in the background already (process {pid}): {address}  "
        "To start it with other settings end it first: bash start.sh --stop",
        "它已经在后台运行（进程 {pid}）：{address}  如需更改设置，请先结束：bash start.sh --stop",
    ),
    "running": ("Runs in the background (process {pid}): {address}", "正在后台运行（进程 {pid}）：{address}"),
    "not_up": (
        "Its page is not up yet: it is installing or starting. bash start.sh --logs -f shows what it does.",
        "页面尚未就绪：正在安装或启动。用 bash start.sh --logs -f 查看输出。",
    ),
    "not_running": ("Nothing runs in the background.", "没有在后台运行。"),
    "stopped": ("Ended.", "已结束。"),
    "killed": (
        "Process {pid} did not end by itself and was killed.",
        "进程 {pid} 没有自行结束，已被强制结束。",
    ),
    "unstoppable": (
        "Process {pid} cannot be ended: the system keeps it, waiting for a disk or a driver.",
        "进程 {pid} 无法结束：系统正在让它等待磁盘或驱动程序。",
    ),
    "ended_early": (
        "The server ended before its page was up; the lines above say why (also in {log}).",
        "服务在页面就绪之前就结束了；原因见上文（也记录在 {log}）。",
    ),
    "answers_already": (
        "A server that was not started with --detach answers at {address} already. "
        "End that one, or choose another --port.",
        "{address} 上已有一个并非用 --detach 启动的服务。请先结束它，或用 --port 换一个端口。",
    ),
    "detach_serves": (
        "--detach serves the page; other commands of app.py run in the terminal.",
        "--detach 只用于提供页面；app.py 的其他命令请在终端中运行。",
    ),
    "takes_nothing": ("{flag} takes nothing more: '{rest}'", "{flag} 不接受其他参数：“{rest}”"),
    "no_log": ("Nothing has run in the background here yet.", "这里还没有在后台运行过。"),
}
