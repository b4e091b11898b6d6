//! Markets: lenders, borrowers, callers and bidders.

use crate::net::{Net, number};

const ETHER: u128 = 1_000_000_000_000_000_000;

#[test]
fn money_is_lent_borrowed_repaid_and_redeemed() {
    let net = Net::start("credit");
    for who in ["alice", "bob", "carol"] {
        net.bond(who);
    }
    let alice = net.fragment("alice", 0, 50_000);
    let bob = net.fragment("bob", 10, 1_000);
    let carol = net.fragment("carol", 0, 5_000);
    let mut create = vec![
        "credit",
        "create",
        "--asset",
        net.token(),
        "--collateral",
        "ETH",
        "--ratio",
        "1500e18",
    ];
    create.extend([
        "--rate",
        "5%",
        "--minimum",
        "100e18",
        "--grace",
        "2",
        "--rise",
        "4",
        "--fall",
        "4",
        "--depth",
        "2",
    ]);
    let market = net.act("alice", &create)["opened"][0].as_str().unwrap().to_owned();
    net.act("alice", &["credit", "lend", &market, "--amount", "10000e18"]);
    let shown = net.ask("alice", &["credit", "show", &market]);
    assert_eq!(
        (number(&shown["idle"]), shown["depth"].as_u64()),
        (10_000 * ETHER, Some(2))
    );
    assert_eq!(number(&shown["shares"]), number(&shown["ownShares"]));

    let borrow = |amount, collateral| {
        [
            "credit",
            "borrow",
            &market,
            "--amount",
            amount,
            "--collateral",
            collateral,
        ]
    };
    net.refuse(
        "bob",
        &[&borrow("2000e18", "1ether")[..], &["--yes"]].concat(),
        1,
        "debt",
    );
    let borrowed = net.act("bob", &borrow("1000e18", "1ether"));
    assert_eq!(Net::held(&borrowed, &bob, net.token()), 2_000 * ETHER);
    assert_eq!(
        Net::held(&borrowed, &bob, &format!("title of position 1 of market {market}")),
        1
    );
    net.act("bob", &borrow("500e18", "1ether"));
    let more = |command, rest: &[&str]| {
        let args = [&["credit", command, &market], rest].concat();
        net.act("bob", &args)
    };
    more(
        "borrow",
        &["--position", "1", "--amount", "200e18", "--collateral", "0.1ether"],
    );
    more("add", &["--position", "1", "--amount", "0.1ether"]);
    more(
        "repay",
        &["--position", "1", "--amount", "300e18", "--take", "0.2ether"],
    );
    let mine = net.ask("bob", &["credit", "positions", &market, "--mine"]);
    assert_eq!(mine.as_array().unwrap().len(), 2);
    assert_eq!(
        (number(&mine[0]["collateral"]), mine[0]["called"].is_null()),
        (ETHER, true)
    );
    assert!(number(&mine[0]["debt"]) > 900 * ETHER, "with interest");
    let repaid = more("repay", &["--position", "1", "--amount", "all"]);
    assert_eq!(Net::held(&repaid, &bob, "ETH"), 9 * ETHER);

    // The other one is called and sold to Carol.
    let bid = ["credit", "bid", &market, "--position", "2"];
    net.refuse("carol", &[&bid[..], &["--yes"]].concat(), 1, "not called");
    net.act("carol", &["credit", "call", &market, "--position", "2"]);
    net.refuse("carol", &[&bid[..], &["--yes"]].concat(), 1, "auction begins");
    for _ in 0..3 {
        net.fragment("alice", 1, 0);
    }
    let auction = net.ask("carol", &["credit", "positions", &market]);
    assert!(number(&auction[0]["offered"]) > 0, "{auction}");
    let sold = net.act("carol", &bid);
    assert_eq!(Net::held(&sold, &carol, "ETH"), number(&auction[0]["offered"]));
    let closed = more("close", &["--position", "2"]);
    assert_eq!(
        Net::held(&closed, &bob, "ETH") + Net::held(&sold, &carol, "ETH"),
        10 * ETHER
    );
    assert!(net.ask("bob", &["credit", "positions"]).as_array().unwrap().is_empty());
    let redeemed = net.act("alice", &["credit", "redeem", &market, "--shares", "all"]);
    assert!(
        Net::held(&redeemed, &alice, net.token()) > 50_000 * ETHER,
        "interest and a fee"
    );
    let list = net.ask("alice", &["credit", "list"]);
    assert_eq!(
        (list[0]["positions"].as_u64(), number(&list[0]["shares"])),
        (Some(2), 0)
    );
}
