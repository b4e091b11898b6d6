"""The reader against test/vectors: the cases of each rule, and the worked example of the specification (13)."""

import json
import sys
from pathlib import Path

from eth_hash.auto import keccak

import credit
import rules
from codec import Invalid, read_calls, tree_levels, u
from kernel import Evaluation, Evidence, Rules, Seen, proof_gas, returned
from l1 import bare, text
from ledger import Ledger, Parameters

VECTORS = Path(__file__).parents[2] / "test/vectors"


def rule_cases(name: str) -> tuple[int, list[str]]:
    file = json.loads((VECTORS / f"rules/{name}.json").read_text())
    address = bare(file["address"])

    def issued(tag: bytes) -> int:
        return int.from_bytes(keccak(address + tag), "big") | 1 << 255

    rule = {"swap": rules.swap, "pool": rules.pool, "credit": lambda *a: credit.credit(*a, issued)}[name]
    wrong = []
    for case in file["cases"]:
        context = (int(case["context"]["blockNumber"]), bare(case["context"]["proposer"]))
        seen = []
        for f in case["fragments"]:
            assets = {int(asset["id"], 16): int(asset["amount"]) for asset in f["assets"]}
            seen.append(Seen(int(f["id"]), int(f["kind"]), bare(f["controller"]), assets, bare(f["data"])))
        authorisations = [(int(a["fragment"]), bare(a["payload"])) for a in case["authorisations"]]
        effects = rules.attempt(rule, (context, seen, authorisations, bare(case["extra"])))
        if effects != (None if case["fails"] else bare(case["effects"])):
            wrong.append(f"{name}: {case['name']}: {effects and text(effects)}")
    return len(file["cases"]), wrong


def worked_example() -> tuple[int, list[str]]:
    file = json.loads((VECTORS / "wire.json").read_text())
    parameters = [file[name] for name in ("deploymentBlock", "window", "insuredGasPrice", "minLock")]
    ledger, proposer = Ledger(Parameters(*map(int, parameters))), bare(file["proposer"])
    account = bare(file["accountRule"])

    def run(_rule: bytes, _gas: int, _calldata: bytes, arguments: tuple) -> bytes | None:
        effects = rules.attempt(rules.account, arguments)
        return None if effects is None else returned(effects)

    wrong: list[str] = []
    compared = 0

    def same(what: str, own: bytes | int | bool, stated) -> None:
        nonlocal compared
        compared += 1
        own = text(own) if isinstance(own, bytes) else own
        if own != stated:
            wrong.append(f"{what}: {own}, not {stated}")

    for hashed in file["hashes"]:
        same(hashed["text"], keccak(hashed["text"].encode()), hashed["hash"])
    for deposit in file["deposits"]:
        ledger.deposit(int(deposit["id"], 16), bare(deposit["key"]), bytes(20), int(deposit["amount"]))
        anchor = bare(deposit["anchor"])
        same("head", ledger.heads[anchor], deposit["head"])
        same("state", ledger.states[anchor, ledger.heads[anchor]].leaves[0], deposit["state"])
    for stated in file["batches"]:
        batch = ledger.submit(int(stated["id"], 16), proposer, stated["block"], bare(stated["bytes"]))
        same("preimage", batch.preimage, stated["preimage"])
        same("commitment", keccak(batch.preimage), stated["commitment"])
        same("word", u(batch.word(ledger.parameters), 32), stated["word"])
        same("entries", batch.all_entries, stated["entries"])
        same("step root", tree_levels(batch.commitments)[-1][0], stated["stepRoot"])
        same("lock", str(ledger.lock(batch.header)), stated["lock"])
        for index, step in enumerate(stated["steps"]):
            raw = ledger.evidence(batch, index)
            same("step commitment", batch.commitments[index], step["commitment"])
            same("evidence", raw, step["evidence"])
            evidence = Evidence(raw)
            same("proof gas", proof_gas(evidence, read_calls(evidence.step)), step["proofGas"])
            evaluation = Evaluation(evidence, bare(file["bridge"]), Rules(account, run))
            try:
                evaluation.evaluate()
                ledger.keep(batch, index, evaluation)
                valid = True
            except Invalid:
                valid = False
            same("verdict", valid, step["valid"])
            for digest in step["digests"]:
                same("digest", digest in map(text, evaluation.digests), True)
        for head in stated["heads"]:
            same("head", ledger.heads[bare(head["anchor"])], head["head"])
    return compared, wrong


def main() -> int:
    counts, wrong = zip(*map(rule_cases, ("swap", "pool", "credit")), worked_example())
    failed = [line for lines in wrong for line in lines]
    print("\n".join(failed))
    passed = sum(counts) - len(failed)
    print(f"test result: {'FAILED' if failed else 'ok'}. {passed} passed; {len(failed)} failed; vectors of rules and of the wire")
    return 1 if failed or not all(counts) else 0


if __name__ == "__main__":
    sys.exit(main())
