//! Answers wallets and explorers: JSON-RPC over HTTP, subscriptions over WebSocket.
