"""Follows a deployment from L1 alone and judges every step: a second reading of docs/spec.md, for auditors.

Everything it derives is compared with what L1 says; everything that differs is printed, and then it exits with 1.
"""

import argparse
import json
import sys

from eth_hash.auto import keccak

import ledger
from codec import Invalid, u
from kernel import Evaluation, Evidence, Rules
from l1 import L1, Abi, Refused, RuleRunner, bare, text
from ledger import Batch, Ledger, Parameters


class Reader:
    def __init__(self, l1: L1, bridge: bytes):
        self.l1, self.bridge, self.abi = l1, bridge, Abi("Bridge")
        window, insured, least, deployment = map(self.number, ("WINDOW", "INSURED_GAS_PRICE", "MIN_LOCK", "DEPLOYMENT_BLOCK"))
        self.ledger = Ledger(Parameters(deployment, window, insured, least))
        self.verifier, self.verifier_at = Abi("FraudVerifier"), self.address("VERIFIER")
        account = self.verifier.outputs("ACCOUNT", l1.call(self.verifier_at, self.verifier.call("ACCOUNT")))[0]
        self.runner = RuleRunner(l1, self.address("REGISTRY"), bare(account))
        self.rules = Rules(bare(account), self.runner.run)
        self.lies: list[dict] = []
        self.steps = {"valid": 0, "lie": 0, "on a lie": 0, "skipped": 0}
        self.compared = 0
        self.differences = self.runner.differences

    def number(self, name: str) -> int:
        return self.abi.outputs(name, self.l1.call(self.bridge, self.abi.call(name)))[0]

    def address(self, name: str) -> bytes:
        return bare(self.abi.outputs(name, self.l1.call(self.bridge, self.abi.call(name)))[0])

    def compare(self, what: str, own, theirs) -> None:
        self.compared += 1
        if own != theirs:
            self.differences.append(f"{what}: {own}, but L1 has {theirs}")

    def follow(self, last: int) -> None:
        names, first = self.abi.events(), self.ledger.parameters.deployment
        span = {"address": text(self.bridge), "fromBlock": hex(first), "toBlock": hex(last)}
        logs: dict[int, list[dict]] = {}
        for log in self.l1.ask("eth_getLogs", span):
            logs.setdefault(int(log["blockNumber"], 16), []).append(log)
        for block in range(first, last + 1):
            for log in sorted(logs.get(block, []), key=lambda log: int(log["logIndex"], 16)):
                name = names[bare(log["topics"][0])]
                self.event(name, self.abi.event(name, log), log, block)
            if block in logs:
                self.compare_storage(block)

    def event(self, name: str, e: dict, log: dict, block: int) -> None:
        state = self.ledger
        id_ = e.get("id")
        batch = state.batches.get(id_)
        if name in ("Deposited", "BatchSubmitted"):
            same = state.last_id >> 13 == block - state.parameters.deployment
            sequence = (state.last_id & 8191) + 1 if same else 1
            self.compare("id", (block - state.parameters.deployment) << 13 | sequence, id_)
        if name == "Deposited":
            state.deposit(id_, e["key"], bare(e["token"]), e["amount"])
        elif name == "BatchSubmitted":
            call = self.l1.ask("eth_getTransactionByHash", log["transactionHash"])
            offset = 4 + int.from_bytes(bare(call["input"])[4:36], "big")
            data = bare(call["input"])[offset:]
            data = data[32 : 32 + int.from_bytes(data[:32], "big")]
            batch = state.submit(id_, bare(call["from"]), block, data)
            self.compare("batch word", batch.word(state.parameters), e["word"])
            self.judge(batch)
        elif name == "StepsSkipped":
            bits = int.from_bytes(e["skipped"], "little")
            told = [bool(bits >> i & 1) for i in range(len(batch.steps))]
            self.compare("steps skipped", [heads is None for heads in batch.heads], told)
            self.compare("their length", (len(batch.steps) + 7) // 8, len(e["skipped"]))
        elif name == "Convicted":
            state.convicted(id_, e["unwound"])
        elif name == "Condemned":
            batch.status = ledger.CONDEMNED
        elif name == "Unwound":
            state.unwound(id_)
        elif name == "Claimed":
            batch.paid.add(e["position"])
        elif name == "Assigned":
            batch.assigned = True
        elif name in ("BondFunded", "BondWithdrawn"):
            bond = state.bonds.setdefault(bare(e["proposer"]), ledger.Bond())
            if name == "BondWithdrawn":
                bond.move_to(state.epoch(block), None)
            bond.balance += e["amount"] // ledger.GWEI * (1 if name == "BondFunded" else -1)
        elif name == "OrphanFeePaid":
            state.bonds[bare(e["proposer"])].balance -= e["amount"] // ledger.GWEI

    # --- Judging

    def judge(self, batch: Batch) -> None:
        for index, heads in enumerate(batch.heads):
            if heads is None:
                self.steps["skipped"] += 1
                continue
            raw = self.ledger.evidence(batch, index)
            if raw is None:
                self.steps["on a lie"] += 1
                continue
            evidence = Evidence(raw)
            evaluation = Evaluation(evidence, self.bridge, self.rules)
            try:
                evaluation.evaluate()
            except Invalid as why:
                self.steps["lie"] += 1
                self.lies.append({"batch": batch.id, "step": index, "why": str(why), "evidence": raw})
            else:
                self.steps["valid"] += 1
                self.ledger.keep(batch, index, evaluation)
            valid = all(lie["evidence"] is not raw for lie in self.lies)
            self.compare(f"verdict on step {index} of {batch.id:#x}", valid, self.is_valid(raw))

    def is_valid(self, evidence: bytes) -> bool | str:
        """What the verifier on L1 says of it, whenever it was posted."""
        call = self.verifier.call("verify", evidence, text(self.bridge))
        try:
            return self.verifier.outputs("verify", self.l1.call(self.verifier_at, call))[0]
        except Refused as refused:
            return str(refused)

    def convict(self, sender: str) -> list[str]:
        """Sends a proof of the first lie of each batch that can still be convicted, from an account that the L1 node unlocks."""
        sent, done = [], set()
        for lie in self.lies:
            batch = self.ledger.batches[lie["batch"]]
            if batch.id in done or batch.status not in (ledger.LIVE, ledger.CONDEMNED):
                continue
            done.add(batch.id)
            top = all(int.from_bytes(self.ledger.heads[e[:7]][27:], "big") == batch.id for e in batch.entries)
            data = self.abi.call("challenge", lie["evidence"], batch.all_entries if top else b"")
            call = {"from": sender, "to": text(self.bridge), "data": text(data), "gas": hex(1 << 24)}
            sent.append(self.l1.ask("eth_sendTransaction", call))
        return sent

    # --- Comparing

    def compare_storage(self, block: int) -> None:
        """Every head, batch word and bond, and the faults, at the end of a block (4.8)."""
        state, slots = self.ledger, [("global word", 0, self.ledger.global_word())]
        for anchor in state.history:
            slot = keccak(b"nthroot.anchor")[:25] + anchor
            slots.append((f"head of {anchor.hex()}", int.from_bytes(slot, "big"), int.from_bytes(state.heads[anchor], "big")))
        for (proposer, k), id_ in state.words.items():
            slot = keccak(b"nthroot.batch")[:10] + proposer + u(k, 2)
            slots.append((f"word of {id_:#x}", int.from_bytes(slot, "big"), state.batches[id_].word(state.parameters)))
        for proposer, bond in state.bonds.items():
            slot = keccak(bytes(12) + proposer + u(1, 32))
            slots.append((f"bond of {proposer.hex()}", int.from_bytes(slot, "big"), bond.word()))
        asked = self.l1.batch([("eth_getStorageAt", [text(self.bridge), hex(slot), hex(block)]) for _, slot, _ in slots])
        for (what, _, own), theirs in zip(slots, asked):
            self.compare(f"{what} at block {block}", hex(own), hex(int(theirs, 16)))

    def report(self, block: int) -> dict:
        state = self.ledger
        return {
            "block": block,
            "anchors": len(state.heads),
            "batches": len(state.batches),
            "steps": self.steps,
            "rule calls": self.runner.runs,
            "compared": self.compared,
            "lies": [lie | {"batch": f"0x{lie['batch']:010x}", "evidence": text(keccak(lie["evidence"]))} for lie in self.lies],
            "heads": {anchor.hex(): head.hex() for anchor, head in sorted(state.heads.items()) if any(head)},
            "digest": text(keccak(b"".join(anchor + head for anchor, head in sorted(state.heads.items()) if any(head)))),
            "balances": {"latest": state.balances(), "final": state.balances(block)},
            "differences": self.differences,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rpc-url", required=True)
    parser.add_argument("--bridge", required=True, help="address")
    parser.add_argument("--convict", metavar="ADDRESS", help="then prove what is a lie, from this account of the L1 node")
    options = parser.parse_args()
    l1 = L1(options.rpc_url)
    reader = Reader(l1, bare(options.bridge))
    last = int(l1.ask("eth_blockNumber"), 16)
    reader.follow(last)
    report = reader.report(last)
    if options.convict:
        report["proofs"] = reader.convict(options.convict)
    print(json.dumps(report, indent=2))
    return 1 if reader.differences else 0


if __name__ == "__main__":
    sys.exit(main())
