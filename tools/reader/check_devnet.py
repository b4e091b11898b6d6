"""A client on a chain of its own: deploys, deposits, signs, posts an honest batch and a lie in two steps, has somebody build on it,
follows, convicts the lie by what takes a whole evaluation, and rolls back.

Nothing here comes from elsewhere in the repository but the artifacts in abi/. `ANVIL` is the path of anvil.
"""

import copy
import os
import socket
import subprocess
import sys
import time
from urllib.error import URLError

from coincurve import PrivateKey
from eth_abi import encode
from eth_hash.auto import keccak

from codec import Invalid, u
from kernel import PLAIN_TYPE, Evaluation, Evidence, digest_of, separator
from l1 import L1, Abi, bare, text
from ledger import FAULTY, LIVE, UNWOUND, Ledger
from reader import Reader

ETHER, WINDOW, PRICE = 10**18, 20, 10**9
KEY = PrivateKey(b"\7" * 32)
OWNER = keccak(KEY.public_key.format(compressed=False)[1:])[12:]


class Devnet:
    def __init__(self, l1: L1):
        self.l1, self.abi = l1, Abi("Bridge")
        self.sender, self.proposer = l1.ask("eth_accounts")[:2]
        registry, rule = Abi("RuleRegistry"), Abi("Account")
        self.registry = self.send(None, registry.creation)
        self.send(self.registry, registry.call("register", rule.runtime))
        answer = l1.call(self.registry, registry.call("addressOf", rule.runtime))
        self.account = bare(registry.outputs("addressOf", answer)[0])
        verifier = self.send(None, Abi("FraudVerifier").creation + encode(["address"], [text(self.account)]))
        types = ["uint256", "uint256", "uint256", "address", "address", "(address,uint256)[]"]
        values = [WINDOW, PRICE, 2 * 6_100_000 * PRICE, text(verifier), text(self.registry), []]
        self.bridge = self.send(None, self.abi.creation + encode(types, values))

    def send(self, to: bytes | None, data: bytes, value: int = 0, sender: str | None = None) -> bytes:
        """The contract that was created, if one was."""
        call = {"from": sender or self.sender, "data": text(data), "value": hex(value), "gas": hex(1 << 24)}
        call |= {"to": text(to)} if to else {}
        return self.mined(self.l1.ask("eth_sendTransaction", call))

    def mined(self, hash_: str) -> bytes:
        while not (receipt := self.l1.ask("eth_getTransactionReceipt", hash_)):
            time.sleep(0.01)
        assert receipt["status"] == "0x1", receipt
        return bare(receipt["contractAddress"] or "0x")

    def follow(self) -> Reader:
        reader = Reader(self.l1, self.bridge)
        reader.follow(int(self.l1.ask("eth_blockNumber"), 16))
        assert not reader.differences, reader.differences
        return reader

    def header(self, slot: int, steps: int, entries: int) -> bytes:
        clock = self.l1.ask("eth_getBlockByNumber", "latest", False)
        chain = u(int(self.l1.ask("eth_chainId"), 16), 8)
        numbers = u(1_000_000, 4) + u(slot, 2) + u(steps, 2) + u(entries, 2) + u(0, 1)
        return b"\1\0" + chain + u(int(clock["number"], 16), 8) + bare(clock["hash"]) + numbers

    def withdrawal(self, ledger: Ledger, anchor: bytes, amount: int, nonce: int) -> tuple[bytes, bytes]:
        """The body of a step that withdraws ETH, signed; and the withdrawal."""
        paid = OWNER + bytes(20) + u(amount, 16)
        payload, until, outflows = b"\3" + paid, ledger.parameters.deployment + 1000, [(0, amount)]
        domain = separator(int(self.l1.ask("eth_chainId"), 16), self.bridge)
        id_ = int.from_bytes(anchor + bytes(3), "big")
        digest = digest_of(domain, (PLAIN_TYPE, keccak(payload)), self.account, id_, nonce, until, outflows)
        signature = KEY.sign_recoverable(digest, hasher=None)
        vs = u(signature[64] << 255 | int.from_bytes(signature[32:64], "big"), 32)
        allowed = u(1, 1) + u(0, 32) + u(amount, 16)
        authorisation = u(0, 1) + u(until, 8) + allowed + u(len(payload), 2) + payload + u(1, 1) + signature[:32] + vs
        call = u(0, 1) + u(60_000, 4) + u(256, 2) + u(1, 1) + u(0, 1) + u(1, 1) + authorisation + u(0, 2)
        return u(0, 1) + u(1, 1) + call, paid

    def step(self, ledger: Ledger, anchor: bytes, root: bytes, body: bytes, paid: bytes) -> bytes:
        parent = ledger.heads[anchor][27:]
        return u(len(body), 2) + u(1 << 4, 1) + u(1, 1) + anchor + root + parent + paid + body

    def post(self, slot: int, steps: list[bytes], entries: int) -> None:
        data = self.header(slot, len(steps), entries) + b"".join(steps)
        self.send(self.bridge, self.abi.call("submit", data), sender=self.proposer)


def honest_root(devnet: Devnet, reader: Reader, anchor: bytes, body: bytes, paid: bytes) -> bytes:
    """What the step leads to: posts it to a copy of the ledger with a wrong root, and sees what comes out."""
    ledger = copy.deepcopy(reader.ledger)
    data = devnet.header(0, 1, 1) + devnet.step(ledger, anchor, bytes(27), body, paid)
    block = int(devnet.l1.ask("eth_blockNumber"), 16) + 1
    id_ = (block - ledger.parameters.deployment) << 13 | 1
    batch = ledger.submit(id_, bare(devnet.proposer), block, data)
    evaluation = Evaluation(Evidence(ledger.evidence(batch, 0)), devnet.bridge, reader.rules)
    try:
        evaluation.evaluate()
    except Invalid as why:
        assert str(why) == "a root is another", why
    return next(evaluation.roots())


def play(l1: L1) -> None:
    devnet = Devnet(l1)
    devnet.send(devnet.bridge, devnet.abi.call("fundBond", devnet.proposer), ETHER)
    for _ in range(2):
        devnet.send(devnet.bridge, devnet.abi.call("deposit", b"\1" + OWNER), ETHER)
    reader = devnet.follow()
    first, second = sorted(reader.ledger.heads)
    body, paid = devnet.withdrawal(reader.ledger, first, ETHER // 4, 0)
    root = honest_root(devnet, reader, first, body, paid)
    devnet.post(0, [devnet.step(reader.ledger, first, root, body, paid)], 1)
    reader = devnet.follow()
    assert reader.steps["valid"] == 1 and not reader.lies, (reader.steps, reader.lies)

    # The same intent again, in one step of nine; each but the sixth has no body at all.
    state = reader.ledger
    empty = devnet.step(state, second, b"\5" * 27, b"", bytes(56))
    replay = devnet.step(state, first, b"\6" * 27, body, paid)
    devnet.post(1, [empty] * 5 + [replay] + [empty] * 3, 9)
    # Upon which somebody builds.
    reader = devnet.follow()
    devnet.post(2, [devnet.step(reader.ledger, first, b"\7" * 27, body, paid)], 1)
    reader = devnet.follow()
    assert [lie["why"] for lie in reader.lies] == ["body: 1 bytes at 0 of 0", "signer"], reader.lies
    assert reader.steps == {"valid": 1, "lie": 2, "on a lie": 1, "skipped": 7}, reader.steps
    # By the one that takes an evaluation.
    reader.lies.pop(0)
    for hash_ in reader.convict(devnet.sender):
        devnet.mined(hash_)
    reader = devnet.follow()
    honest, liar, orphan = reader.ledger.batches.values()
    assert (honest.status, liar.status, orphan.status) == (LIVE, FAULTY, LIVE)

    call = ("condemn", orphan.preimage, orphan.all_entries, 0, liar.preimage)
    devnet.send(devnet.bridge, devnet.abi.call(*call))
    for batch in (orphan, liar):
        devnet.send(devnet.bridge, devnet.abi.call("unwind", batch.preimage, batch.all_entries))
    reader = devnet.follow()
    assert [batch.status for batch in reader.ledger.batches.values()] == [LIVE, UNWOUND, UNWOUND]
    assert reader.ledger.heads[first][:27] == root and not reader.ledger.faults.oldest()
    l1.ask("anvil_mine", hex(WINDOW + 1))
    held = {key: own["00" * 32] for key, own in reader.ledger.balances(reader.ledger.parameters.deployment + 1000).items()}
    assert held == {"01" + OWNER.hex(): str(2 * ETHER - ETHER // 4)}, held
    print(f"test result: ok. {reader.compared} passed; 0 failed; comparisons with L1 after a conviction and a roll-back")


def main() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    anvil = subprocess.Popen([os.environ.get("ANVIL", "anvil"), "--silent", "--hardfork", "osaka", "--port", str(port)])
    try:
        l1 = L1(f"http://127.0.0.1:{port}")
        for _ in range(200):
            try:
                l1.ask("eth_chainId")
                break
            except URLError:
                time.sleep(0.1)
        play(l1)
    finally:
        anvil.terminate()
        anvil.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
