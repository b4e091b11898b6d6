//! What a wallet is shown hashes to what the kernel checks.

use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256};
use nthroot_protocol::{
    AccountOp, AssetId, Domain, FragmentId, Outflow,
    rules::{
        credit::{CreditOp, Terms},
        pool::{Pair, PoolOp, Side},
        swap::{Curve, Leg, SwapIntent},
    },
};
use nthroot_wallet::{Intent, Request, RuleBook, typed_data};

const BOOK: RuleBook = RuleBook {
    account: Address::repeat_byte(0xa0),
    swap: Address::repeat_byte(0xa1),
    pool: Address::repeat_byte(0xa2),
    credit: Address::repeat_byte(0xa3),
};
const DOMAIN: Domain = Domain {
    chain_id: 11,
    bridge: Address::repeat_byte(0xbb),
};
const MARKET: [u8; 10] = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

fn asset(byte: u8) -> AssetId {
    AssetId(B256::repeat_byte(byte))
}

fn id() -> FragmentId {
    FragmentId::from_bytes(MARKET)
}

fn terms() -> Terms {
    Terms {
        depth: 3,
        collateral: asset(1),
        asset: asset(2),
        ratio: 3,
        rate: 4,
        minimum: 5,
        call_fee: 6,
        grace: 7,
        rise: 8,
        fall: 9,
    }
}

/// One of each kind that somebody can sign, with extreme numbers among them.
fn requests() -> Vec<Request> {
    let swap = |curve, least_fill, rewards, counterparties| {
        Request::Swap(SwapIntent {
            gives: vec![Leg {
                asset: asset(1),
                start: 1,
                end: u128::MAX,
            }],
            gets: vec![
                Leg {
                    asset: asset(2),
                    start: 9,
                    end: 8,
                },
                Leg {
                    asset: asset(3),
                    start: 7,
                    end: 7,
                },
            ],
            rewards,
            counterparties,
            curve,
            least_fill,
        })
    };
    let pool = |op| Request::Pool {
        op,
        assets: [asset(1), asset(2)],
    };
    let credit = |op| Request::Credit {
        op,
        collateral: asset(1),
        asset: asset(2),
    };
    let (pool_id, market, serial) = (id(), id(), u64::MAX);
    vec![
        Request::Account(Vec::new()),
        Request::Account(vec![AccountOp::Pay {
            to: id(),
            asset: AssetId::ETH,
            amount: 5,
        }]),
        swap(None, None, Vec::new(), Vec::new()),
        swap(
            Some(Curve {
                first: 5,
                last: u64::MAX,
            }),
            Some(4),
            vec![Outflow {
                asset: asset(4),
                amount: 1,
            }],
            vec![id(), FragmentId::from_bytes([0xff; 10])],
        ),
        pool(PoolOp::Create(Pair {
            assets: [asset(1), asset(2)],
            fee: 3_000,
        })),
        pool(PoolOp::Add {
            pool: pool_id,
            at_most: [1, u128::MAX],
            shares_at_least: 2,
        }),
        pool(PoolOp::Remove {
            pool: pool_id,
            shares: 3,
            at_least: [4, 5],
        }),
        pool(PoolOp::Sell {
            pool: pool_id,
            side: Side::Zero,
            amount: 6,
            at_least: 7,
        }),
        pool(PoolOp::Buy {
            pool: pool_id,
            side: Side::Zero,
            amount: 8,
            at_most: 9,
        }),
        credit(CreditOp::Create(terms())),
        credit(CreditOp::Lend {
            market,
            amount: 1,
            shares_at_least: 2,
        }),
        credit(CreditOp::Redeem {
            market,
            shares: 3,
            at_least: 4,
        }),
        credit(CreditOp::Borrow {
            market,
            serial,
            added: 5,
            amount: 6,
        }),
        credit(CreditOp::Repay {
            market,
            serial,
            at_most: 7,
            taken: 8,
        }),
        credit(CreditOp::Call {
            market,
            serial,
            fee_at_most: 9,
        }),
        credit(CreditOp::Bid {
            market,
            serial,
            at_most: 10,
            at_least: 11,
        }),
        credit(CreditOp::Add {
            market,
            serial,
            amount: 12,
        }),
        credit(CreditOp::Close { market, serial }),
    ]
}

fn intent(request: Request) -> Intent {
    let fragment = FragmentId::from_bytes([1, 2, 3, 4, 5, 6, 7, 0, 0, 9]);
    Intent {
        request,
        fragment,
        nonce: 3,
        valid_until: 1_000,
    }
}

#[test]
fn what_a_wallet_signs_is_what_the_kernel_checks() {
    for request in requests() {
        let intent = intent(request);
        let json = typed_data(&intent, &BOOK, &DOMAIN);
        // An implementation of EIP-712 that has never heard of this protocol.
        let data: TypedData = serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error}: {json:#}"));
        let hash = data
            .eip712_signing_hash()
            .unwrap_or_else(|error| panic!("{error}: {json:#}"));
        assert_eq!(hash, intent.message(&BOOK).signing_hash(&DOMAIN), "{json:#}");
    }
}

#[test]
fn what_is_shown_changes_with_what_is_asked_for() {
    let mut seen = std::collections::BTreeSet::new();
    for request in requests() {
        let intent = intent(request);
        assert!(seen.insert(typed_data(&intent, &BOOK, &DOMAIN).to_string()));
        assert!(intent.lines(&BOOK).len() > 2, "{:?}", intent.lines(&BOOK));
        assert!(seen.insert(intent.lines(&BOOK).join("\n")));
    }
}

#[test]
fn a_sale_reads_as_a_sale() {
    let op = PoolOp::Sell {
        pool: id(),
        side: Side::One,
        amount: 6,
        at_least: 7,
    };
    let intent = intent(Request::Pool {
        op,
        assets: [AssetId::ETH, asset(2)],
    });
    let message = &typed_data(&intent, &BOOK, &DOMAIN)["message"];
    assert_eq!(message["intent"]["sell"], asset(2).0.to_string());
    assert_eq!(message["intent"]["buy"], B256::ZERO.to_string());
    assert_eq!(message["intent"]["amount"], "6");
    assert_eq!(message["intent"]["atLeast"], "7");
    assert_eq!(message["outflows"][0]["amount"], "6");
    assert!(
        intent.lines(&BOOK).contains(&"  buy: ETH (wei)".to_owned()),
        "{:?}",
        intent.lines(&BOOK)
    );
}
