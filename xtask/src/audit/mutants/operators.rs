//! What stands instead of an operator.

pub(super) fn binary(operator: &str) -> &'static [&'static str] {
    match operator {
        "<" => &["<=", ">="],
        ">" => &[">=", "<="],
        "<=" => &["<", ">"],
        ">=" => &[">", "<"],
        "==" => &["!="],
        "!=" => &["=="],
        "+" | "**" => &["-"],
        "-" => &["+"],
        "*" | "%" => &["/"],
        "/" => &["*"],
        "&&" => &["||"],
        "||" => &["&&"],
        "&" | "^" => &["|"],
        "|" => &["&"],
        "<<" => &[">>"],
        ">>" => &["<<"],
        _ => &[],
    }
}

pub(super) fn assignment(operator: &str) -> &'static [&'static str] {
    match operator {
        "+=" => &["-="],
        "-=" => &["+="],
        "*=" => &["/="],
        "/=" => &["*="],
        "|=" => &["&="],
        "&=" => &["|="],
        "<<=" => &[">>="],
        ">>=" => &["<<="],
        _ => &[],
    }
}

pub(super) fn instructions(name: &str) -> &'static [&'static str] {
    match name {
        "add" => &["sub"],
        "sub" => &["add"],
        "mul" => &["div"],
        "div" | "mod" => &["mul"],
        "lt" => &["gt"],
        "gt" => &["lt"],
        "and" | "xor" => &["or"],
        "or" => &["and"],
        "shl" => &["shr"],
        "shr" => &["shl"],
        _ => &[],
    }
}
