//! What users would do on L1 instead, with the code that is published: `OpenZeppelin`'s ERC-20, Uniswap V2 and its WETH from npm,
//! and Permit2 as it is deployed.

use std::path::{Path, PathBuf};

use alloy::{
    primitives::{
        Address, Bytes, U256, address,
        aliases::{U48, U160},
    },
    sol,
    sol_types::SolCall,
};
use nthroot_bindings::mocks::Token;
use nthroot_evm::{Deployed, Parameters};
use nthroot_stage::{crowd::PAID, stage::ETHER};
use serde_json::Value;

use super::{
    run::{Group, Row, Rows, send},
    schedule::{Cost, Schedule},
};

sol! {
    function createPair(address a, address b) external returns (address pair);
    function approve(address spender, uint256 value) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
    function addLiquidity(address a, address b, uint256 aDesired, uint256 bDesired, uint256 aMin, uint256 bMin, address to, uint256 deadline) external returns (uint256, uint256, uint256);
    function addLiquidityETH(address token, uint256 desired, uint256 tokenMin, uint256 ethMin, address to, uint256 deadline) external payable returns (uint256, uint256, uint256);
    function removeLiquidity(address a, address b, uint256 liquidity, uint256 aMin, uint256 bMin, address to, uint256 deadline) external returns (uint256, uint256);
    function swapExactTokensForTokens(uint256 amountIn, uint256 least, address[] path, address to, uint256 deadline) external returns (uint256[] amounts);
    function swapExactETHForTokens(uint256 least, address[] path, address to, uint256 deadline) external payable returns (uint256[] amounts);
    function swapExactTokensForETH(uint256 amountIn, uint256 least, address[] path, address to, uint256 deadline) external returns (uint256[] amounts);

    struct Allowed { address from; address to; uint160 amount; address token; }
    interface Permit2 {
        function approve(address token, address spender, uint160 amount, uint48 expiration) external;
        function transferFrom(Allowed[] transfers) external;
    }
}

/// Where the code of others is not to be found.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// No file, or not readable.
    #[error("{path} cannot be read ({reason}): `cargo xtask setup` or `npm ci` installs it")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no code in it.
    #[error("{0} has no code where an artifact has it")]
    Code(PathBuf),
}

/// A user of L1, who holds ether and tokens.
const USER: Address = Address::repeat_byte(0x71);
const OTHER: Address = Address::repeat_byte(0x72);
/// Whoever settles what others have allowed it.
const SETTLER: Address = Address::repeat_byte(0x73);
const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");

struct L1 {
    l1: Deployed,
    tokens: Vec<Address>,
    weth: Address,
    router: Address,
    pair: Address,
}

/// What it costs under a schedule.
pub(super) fn rows(schedule: Schedule) -> Result<Vec<Row>, PublishedError> {
    let mut rows = Rows::new(Group::L1);
    let mut l1 = L1::new(schedule)?;
    l1.transfers(&mut rows);
    l1.uniswap(&mut rows);
    l1.exchanges(&mut rows);
    Ok(rows.finish())
}

impl L1 {
    /// A chain with four tokens, a pair of the first two and one of ether and the first, both with liquidity.
    fn new(schedule: Schedule) -> Result<Self, PublishedError> {
        let mut l1 = Deployed::new(schedule.spec(), Parameters::default()).expect("it deploys");
        for user in [USER, OTHER, SETTLER] {
            l1.chain.fund(user, U256::from(100_000 * ETHER));
        }
        let weth = create(&mut l1, &artifact("v2-periphery", "WETH9")?, &[]);
        let factory = create(&mut l1, &artifact("v2-core", "UniswapV2Factory")?, &[USER]);
        let router = create(
            &mut l1,
            &artifact("v2-periphery", "UniswapV2Router02")?,
            &[factory, weth],
        );
        let tokens = (0..4).map(|_| create(&mut l1, Token::BYTECODE.as_ref(), &[])).collect();
        l1.chain.set_code(PERMIT2, permit2()?);
        let mut this = Self {
            l1,
            tokens,
            weth,
            router,
            pair: Address::ZERO,
        };
        for token in this.tokens.clone() {
            for to in [USER, OTHER] {
                let amount = U256::from(1_000_000 * ETHER);
                this.does(USER, token, 0, &Token::mintCall { to, amount });
                this.does(to, token, 0, &approve(router));
            }
        }
        let (a, b) = (this.tokens[0], this.tokens[1]);
        let (_, receipt) = send(&mut this.l1, USER, factory, 0, createPairCall { a, b }.abi_encode());
        this.pair = createPairCall::abi_decode_returns(&receipt.output).expect("an address");
        this.does(USER, router, 0, &this.add(20_000 * ETHER));
        this.does(USER, router, 10_000 * ETHER, &this.add_ether(20_000 * ETHER));
        let pair = this.pair;
        this.does(USER, pair, 0, &approve(router));
        // A pair's first trade sets its price sums, which later ones only change.
        this.uniswap(&mut Rows::new(Group::L1));
        Ok(this)
    }

    /// A transaction in a block of its own.
    fn does(&mut self, from: Address, to: Address, value: u128, call: &impl SolCall) -> Cost {
        let (cost, _) = send(&mut self.l1, from, to, value, call.abi_encode());
        self.l1.chain.mine(1);
        cost
    }

    fn transfers(&mut self, rows: &mut Rows) {
        let (to_old, _) = send(&mut self.l1, USER, OTHER, PAID, Vec::new());
        rows.one("ETH transfer to an account", to_old);
        let (to_new, _) = send(&mut self.l1, USER, Address::repeat_byte(0x7f), PAID, Vec::new());
        rows.one("ETH transfer to a new account", to_new);
        let token = self.tokens[0];
        let transfer = |to| Token::transferCall {
            to,
            value: U256::from(PAID),
        };
        rows.one(
            "ERC-20 transfer to a holder",
            self.does(USER, token, 0, &transfer(OTHER)),
        );
        let new = transfer(Address::repeat_byte(0x7e));
        rows.one("ERC-20 transfer to a new holder", self.does(USER, token, 0, &new));
    }

    fn uniswap(&mut self, rows: &mut Rows) {
        let (router, deadline, least) = (self.router, U256::MAX, U256::from(1));
        let amount = U256::from(PAID);
        let path = vec![self.tokens[0], self.tokens[1]];
        let (buy, sell) = (vec![self.weth, self.tokens[0]], vec![self.tokens[0], self.weth]);
        let swap = swapExactTokensForTokensCall {
            amountIn: amount,
            least,
            path,
            to: USER,
            deadline,
        };
        rows.one("Uniswap V2: token for token", self.does(USER, router, 0, &swap));
        let buy = swapExactETHForTokensCall {
            least,
            path: buy,
            to: USER,
            deadline,
        };
        rows.one("Uniswap V2: ETH for a token", self.does(USER, router, PAID, &buy));
        let sell = swapExactTokensForETHCall {
            amountIn: amount,
            least,
            path: sell,
            to: USER,
            deadline,
        };
        rows.one("Uniswap V2: a token for ETH", self.does(USER, router, 0, &sell));
        let add = self.add(PAID);
        rows.one(
            "Uniswap V2: add liquidity, two tokens",
            self.does(USER, router, 0, &add),
        );
        let add = self.add_ether(PAID);
        rows.one(
            "Uniswap V2: add liquidity, ETH and a token",
            self.does(USER, router, PAID, &add),
        );
        let remove = removeLiquidityCall {
            a: self.tokens[0],
            b: self.tokens[1],
            liquidity: amount,
            aMin: least,
            bMin: least,
            to: USER,
            deadline,
        };
        rows.one(
            "Uniswap V2: remove liquidity, two tokens",
            self.does(USER, router, 0, &remove),
        );
    }

    /// So many users exchange up to four tokens: by a transfer each, and by one who may move what all of them have.
    fn exchanges(&mut self, rows: &mut Rows) {
        let users: Vec<Address> = (0..16).map(|user| Address::repeat_byte(0x80 + user)).collect();
        for user in &users {
            self.l1.chain.fund(*user, U256::from(ETHER));
            for token in self.tokens.clone() {
                let amount = U256::from(10 * ETHER);
                self.does(USER, token, 0, &Token::mintCall { to: *user, amount });
                self.does(*user, token, 0, &approve(PERMIT2));
                let allow = Permit2::approveCall {
                    token,
                    spender: SETTLER,
                    amount: U160::MAX,
                    expiration: U48::MAX,
                };
                self.does(*user, PERMIT2, 0, &allow);
            }
        }
        for parties in [2, 4, 8, 16] {
            let moves = (0..parties).map(|nth| (users[nth], users[(nth + 1) % parties], self.tokens[nth % 4]));
            let moves: Vec<_> = moves.collect();
            let mut sum = Cost::default();
            for (from, to, token) in &moves {
                let value = U256::from(PAID);
                let cost = self.does(*from, *token, 0, &Token::transferCall { to: *to, value });
                sum.gas += cost.gas;
                sum.bytes += cost.bytes;
            }
            let (of, n) = (parties.min(4), u64::try_from(parties).expect("few"));
            let name = format!("{parties} parties exchange {of} tokens");
            rows.put(format!("{name}: a transfer each, nobody bound to anybody"), n, sum);
            let transfers = moves.into_iter().map(|(from, to, token)| Allowed {
                from,
                to,
                amount: U160::from(PAID),
                token,
            });
            let transfers = Permit2::transferFromCall {
                transfers: transfers.collect(),
            };
            let cost = self.does(SETTLER, PERMIT2, 0, &transfers);
            rows.put(format!("{name}: Permit2 by one whom all trust"), n, cost);
        }
    }

    fn add(&self, amount: u128) -> addLiquidityCall {
        addLiquidityCall {
            a: self.tokens[0],
            b: self.tokens[1],
            aDesired: U256::from(amount),
            bDesired: U256::from(2 * amount),
            aMin: U256::from(1),
            bMin: U256::from(1),
            to: USER,
            deadline: U256::MAX,
        }
    }

    fn add_ether(&self, amount: u128) -> addLiquidityETHCall {
        addLiquidityETHCall {
            token: self.tokens[0],
            desired: U256::from(2 * amount),
            tokenMin: U256::from(1),
            ethMin: U256::from(1),
            to: USER,
            deadline: U256::MAX,
        }
    }
}

const fn approve(spender: Address) -> approveCall {
    approveCall {
        spender,
        value: U256::MAX,
    }
}

fn create(l1: &mut Deployed, code: &[u8], arguments: &[Address]) -> Address {
    let words = arguments.iter().flat_map(Address::into_word);
    let initcode: Vec<u8> = code.iter().copied().chain(words).collect();
    l1.chain.create(USER, initcode.into()).expect("it deploys")
}

/// Code of a published contract, from its npm package.
fn artifact(package: &str, contract: &str) -> Result<Vec<u8>, PublishedError> {
    let path = repository().join(format!("node_modules/@uniswap/{package}/build/{contract}.json"));
    code_of(&path, "bytecode")
}

/// The runtime of Permit2 on mainnet.
fn permit2() -> Result<Bytes, PublishedError> {
    code_of(&repository().join("test/vectors/permit2.json"), "runtime").map(Into::into)
}

fn code_of(path: &Path, field: &str) -> Result<Vec<u8>, PublishedError> {
    let read = |reason: String| PublishedError::Read {
        path: path.to_owned(),
        reason,
    };
    let json = std::fs::read(path).map_err(|error| read(error.to_string()))?;
    let json: Value = serde_json::from_slice(&json).map_err(|error| read(error.to_string()))?;
    let code = json[field].as_str().and_then(|code| alloy::hex::decode(code).ok());
    code.filter(|code| !code.is_empty())
        .ok_or_else(|| PublishedError::Code(path.to_owned()))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
