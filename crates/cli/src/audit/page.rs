//! The report as one page, which needs nothing else.

use super::sections::Section;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1a1a1a}\
h1{font-size:1.2rem;padding:.8rem 1rem;border-radius:.4rem;color:#fff;background:#b3261e}h1.clean{background:#1b6e3c}\
h2{font-size:1.05rem;margin:2rem 0 .3rem}p{margin:.2rem 0}.scroll{overflow-x:auto}\
table{border-collapse:collapse;font:12px/1.4 ui-monospace,monospace}\
th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid #ddd;white-space:nowrap}th{font-weight:600}";

/// The page.
pub(super) fn page(verdict: &str, is_clean: bool, sections: &[Section]) -> String {
    let class = if is_clean { "clean" } else { "wrong" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>nthroot audit</title>\n<style>{STYLE}</style>\n<h1 class=\"{class}\">{}</h1>\n",
        escaped(verdict)
    );
    for section in sections {
        page.push_str(&format!("<h2>{}</h2>\n", escaped(&section.title)));
        for line in &section.lines {
            page.push_str(&format!("<p>{}</p>\n", escaped(line)));
        }
        if !section.rows.is_empty() {
            let head = section.head.iter().map(|cell| format!("<th>{}</th>", escaped(cell)));
            page.push_str(&format!(
                "<div class=\"scroll\"><table>\n<tr>{}</tr>\n",
                head.collect::<String>()
            ));
            for row in &section.rows {
                let cells = row.iter().map(|cell| format!("<td>{}</td>", escaped(cell)));
                page.push_str(&format!("<tr>{}</tr>\n", cells.collect::<String>()));
            }
            page.push_str("</table></div>\n");
        }
    }
    page.push_str("</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
