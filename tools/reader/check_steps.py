"""The reader against the contracts on random steps, honest, tampered and malformed.

Their file is what `NTHROOT_STEPS=FILE cargo test -p nthroot-evm --test differential` leaves: a line with the addresses of the Account rule, the
bridge and two rules that do as they are told, then for each step the contracts' answer and its evidence.
"""

import sys
from collections import Counter

import rules
from codec import Invalid, Unreadable
from kernel import Evaluation, Evidence, Rules, returned
from l1 import bare


def main() -> int:
    with open(sys.argv[1]) as file:
        account, bridge, puppet, raw = map(bare, file.readline().split())

        def run(rule: bytes, _gas: int, _calldata: bytes, arguments: tuple) -> bytes | None:
            """One returns its `extra` as effects, one as return data; the others fail."""
            if rule == account:
                effects = rules.attempt(rules.account, arguments)
                return None if effects is None else returned(effects)
            return {puppet: returned(arguments[3]), raw: arguments[3]}.get(rule)

        answers, wrong = Counter(), []
        for number, line in enumerate(file):
            stated, evidence = line.split()
            why = ""
            try:
                Evaluation(Evidence(bare(evidence)), bridge, Rules(account, run)).evaluate()
                own = "Valid"
            except Invalid as error:
                own, why = "Invalid", str(error)
            except Unreadable as error:
                own, why = "BadEvidence", str(error)
            answers[own, why.split(":")[0] if own == "Invalid" else ""] += 1
            if own != stated:
                wrong.append(f"step {number}: {own} ({why}), the contracts say {stated}")
    print("\n".join(wrong[:50]))
    for (answer, why), count in answers.most_common():
        print(f"{count:>8}  {answer} {why}")
    passed = sum(answers.values()) - len(wrong)
    print(f"test result: {'FAILED' if wrong else 'ok'}. {passed} passed; {len(wrong)} failed; verdicts on random steps")
    return 1 if wrong or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
