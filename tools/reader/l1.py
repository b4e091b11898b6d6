"""An L1 node by JSON-RPC: logs, calldata, storage, and what a rule returns there."""

import json
import urllib.request
from pathlib import Path

from eth_abi import decode, encode
from eth_hash.auto import keccak

import credit
import rules
from codec import u
from kernel import returned

ABI = Path(__file__).parents[2] / "abi"
# Calls the address in the second word with exactly the gas in the first, and with the calldata behind them.
PROXY = "0x604036038060405f375f5f825f6020355f35fa3d5f5f3e601d573d5ffd5b3d5ff3"
PROXY_AT = "0x00000000000000000000000000000000004e5452"
PLENTY = 16_000_000
INITCODE = bytes.fromhex("600b380380600b5f395ff3")


class Refused(Exception):
    """A call reverted; its data."""


def text(data: bytes) -> str:
    return "0x" + data.hex()


def bare(data: str) -> bytes:
    return bytes.fromhex(data.removeprefix("0x"))


def kind(item: dict) -> str:
    if not item["type"].startswith("tuple"):
        return item["type"]
    return "(" + ",".join(map(kind, item["components"])) + ")" + item["type"][5:]


class Abi:
    def __init__(self, name: str):
        artifact = json.loads((ABI / f"{name}.json").read_text())
        self.creation, self.runtime = bare(artifact["bytecode"]), bare(artifact["deployedBytecode"])
        self.items = artifact["abi"]

    def item(self, name: str) -> tuple[list[str], bytes, dict]:
        item = next(i for i in self.items if i.get("name") == name)
        types = [kind(i) for i in item["inputs"]]
        return types, keccak(f"{name}({','.join(types)})".encode()), item

    def call(self, name: str, *values) -> bytes:
        types, selector, _ = self.item(name)
        return selector[:4] + encode(types, values)

    def outputs(self, name: str, data: bytes) -> tuple:
        return decode([kind(i) for i in self.item(name)[2]["outputs"]], data)

    def events(self) -> dict[bytes, str]:
        return {self.item(i["name"])[1]: i["name"] for i in self.items if i["type"] == "event"}

    def event(self, name: str, log: dict) -> dict:
        inputs = self.item(name)[2]["inputs"]
        indexed = [i for i in inputs if i["indexed"]]
        plain = [i for i in inputs if not i["indexed"]]
        values = {i["name"]: decode([kind(i)], bare(topic))[0] for i, topic in zip(indexed, log["topics"][1:])}
        data = decode([kind(i) for i in plain], bare(log["data"]))
        return values | {i["name"]: value for i, value in zip(plain, data)}


class L1:
    def __init__(self, url: str):
        self.url, self.calls = url, 0

    def batch(self, requests: list[tuple[str, list]]) -> list:
        if not requests:
            return []
        body = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(requests)]
        request = urllib.request.Request(self.url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            answers = sorted(json.load(response), key=lambda answer: answer["id"])
        for answer in answers:
            if "error" in answer:
                raise Refused(answer["error"].get("data") or answer["error"]["message"])
        return [answer["result"] for answer in answers]

    def ask(self, method: str, *params):
        return self.batch([(method, list(params))])[0]

    def call(self, to: bytes, data: bytes, block: str = "latest", **more) -> bytes:
        return bare(self.ask("eth_call", {"to": text(to), "data": text(data), "gas": hex(PLENTY)} | more, block))


class RuleRunner:
    """Runs a rule on L1, and its second reading here. What L1 returns decides; a difference is told."""

    def __init__(self, l1: L1, registry: bytes, account: bytes):
        self.l1, self.differences, self.runs = l1, [], 0
        self.native = {account: rules.account}
        for name, rule in ("Account", rules.account), ("Swap", rules.swap), ("Pool", rules.pool), ("Credit", credit.credit):
            code = INITCODE + Abi(name).runtime
            address = keccak(b"\xff" + registry + bytes(32) + keccak(code))[12:]
            if rule is credit.credit:
                rule = self.credit_of(address)
            self.native[address] = rule

    @staticmethod
    def credit_of(address: bytes):
        def issued(tag: bytes) -> int:
            return int.from_bytes(keccak(address + tag), "big") | 1 << 255

        return lambda *arguments: credit.credit(*arguments, issued)

    def on_l1(self, rule: bytes, gas: int, calldata: bytes) -> bytes | None:
        request = {"to": PROXY_AT, "data": text(u(gas, 32) + u(int.from_bytes(rule, "big"), 32) + calldata), "gas": hex(PLENTY)}
        try:
            return bare(self.l1.ask("eth_call", request, "latest", {PROXY_AT: {"code": PROXY}}))
        except Refused:
            return None

    def run(self, rule: bytes, gas: int, calldata: bytes, arguments: tuple) -> bytes | None:
        self.runs += 1
        output = self.on_l1(rule, gas, calldata)
        if rule in self.native:
            effects = rules.attempt(self.native[rule], arguments)
            own = None if effects is None else returned(effects)
            # With the gas committed L1 may run out of it; with plenty of it, it may not.
            if output != own and (output is not None or self.on_l1(rule, PLENTY * 9 // 10, calldata) != own):
                self.differences.append(f"rule 0x{rule.hex()}: {calldata.hex()}: {output and output.hex()}, not {own and own.hex()}")
        return output
