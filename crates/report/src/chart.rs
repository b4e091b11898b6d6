//! A chart as SVG. Colours are variables of the page's style sheet, so that it follows light and dark; each series has a dash or a
//! marker of its own besides, so that it can be told apart on paper.

use maud::{Markup, html};

use super::{Chart, Mark, Series, number, scale::Scale};

const WIDTH: f64 = 800.0;
/// Height of what is plotted.
const PLOT: f64 = 340.0;
/// Space left of it for numbers and the vertical axis' name, right of it, below it.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 18.0;
const BELOW: f64 = 52.0;
/// Height of a line of text; width of a character, at most.
const LINE: f64 = 20.0;
const CHARACTER: f64 = 6.9;
/// Width of a legend's swatch with the space around it.
const SWATCH: f64 = 42.0;
/// Part of a name's place that its bars take up.
const BARS: f64 = 0.8;
/// Points from which on lines have no markers.
const CROWD: usize = 30;

/// Dashes of the lines, by place in the legend: the first four are solid and differ by their markers.
const DASHES: [&str; 3] = ["7 3", "2 3", "9 3 2 3"];

/// Where things are in the picture.
struct Frame<'a> {
    x: Scale<'a>,
    y: Scale<'a>,
    top: f64,
}

impl Frame<'_> {
    fn across(&self, place: f64) -> f64 {
        let (low, high) = self.x.ends;
        LEFT + (place - low) / (high - low) * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, place: f64) -> f64 {
        let (low, high) = self.y.ends;
        self.top + PLOT - (place - low) / (high - low) * PLOT
    }

    /// A point, if both axes have a place for it.
    fn point(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.across(self.x.place(x)?), self.down(self.y.place(y)?)))
    }
}

/// The picture, with its legend, without its caption.
pub(super) fn svg(chart: &Chart) -> Markup {
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let bars = chart.series.iter().any(|series| series.mark == Mark::Bars);
    let (legend, height) = legend(&chart.series);
    let frame = Frame {
        x: Scale::new(&chart.x, points().map(|point| point.0), false),
        y: Scale::new(&chart.y, points().map(|point| point.1), bars),
        top: height + 10.0,
    };
    let bottom = frame.top + PLOT;
    let total = bottom + BELOW;
    let names = WIDTH - LEFT - RIGHT;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {total}")) role="img" aria-label=(chart.caption) xmlns="http://www.w3.org/2000/svg" {
            (legend)
            @for &tick in &frame.x.ticks {
                @let x = px(frame.across(tick));
                line.grid x1=(x) x2=(x) y1=(px(frame.top)) y2=(px(bottom)) {}
                (tick_name(&frame.x.name(tick), frame.across(tick), bottom + 17.0, names / count(frame.x.ticks.len())))
            }
            @for &tick in &frame.y.ticks {
                @let y = frame.down(tick);
                line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(y)) y2=(px(y)) {}
                text.tick x=(px(LEFT - 7.0)) y=(px(y + 4.0)) text-anchor="end" { (frame.y.name(tick)) }
            }
            rect.frame x=(px(LEFT)) y=(px(frame.top)) width=(px(WIDTH - LEFT - RIGHT)) height=(px(PLOT)) {}
            text.axis x=(px(LEFT + names / 2.0)) y=(px(total - 6.0)) text-anchor="middle" { (chart.x.label) }
            @let middle = frame.top + PLOT / 2.0;
            text.axis x="14" y=(px(middle)) text-anchor="middle" transform=(format!("rotate(-90 14 {})", px(middle))) { (chart.y.label) }
            @for (index, series) in chart.series.iter().enumerate() {
                g class=(format!("s{index}")) { (drawn(series, index, chart, &frame)) }
            }
        }
    }
}

/// A name below the axis, in two lines if one is too narrow for it.
fn tick_name(name: &str, x: f64, y: f64, width: f64) -> Markup {
    let fits = count(name.chars().count()) * CHARACTER <= width;
    let halves = if fits { None } else { halves(name) };
    html! {
        @if let Some((first, second)) = halves {
            text.tick x=(px(x)) y=(px(y - 3.0)) text-anchor="middle" { (first) }
            text.tick x=(px(x)) y=(px(y + 10.0)) text-anchor="middle" { (second) }
        } @else {
            text.tick x=(px(x)) y=(px(y)) text-anchor="middle" { (name) }
        }
    }
}

/// The two parts of a name, about equally long.
fn halves(name: &str) -> Option<(&str, &str)> {
    let spaces = name.match_indices(' ').map(|(place, _)| place);
    let middle = spaces.min_by_key(|place| place.abs_diff(name.len() / 2))?;
    Some((&name[..middle], &name[middle + 1..]))
}

/// The names of the series above the picture, in columns; and how high it is. A single series needs none.
fn legend(series: &[Series]) -> (Markup, f64) {
    if series.len() < 2 {
        return (html! {}, 0.0);
    }
    let longest = series
        .iter()
        .map(|series| series.name.chars().count())
        .max()
        .unwrap_or(0);
    let width = SWATCH + count(longest) * CHARACTER;
    let columns = (1..=4)
        .rev()
        .find(|columns| count(*columns) * width <= WIDTH - LEFT)
        .unwrap_or(1);
    let place = |index: usize| {
        let column = (WIDTH - LEFT - RIGHT) / count(columns) * count(index % columns);
        (LEFT + column, LINE * (count(index / columns) + 0.7))
    };
    let drawn = html! {
        @for (index, series) in series.iter().enumerate() {
            @let (x, y) = place(index);
            g class=(format!("s{index}")) {
                @if series.mark == Mark::Bars {
                    rect.bar x=(px(x + 6.0)) y=(px(y - 9.0)) width="18" height="10" {}
                } @else {
                    @if series.mark != Mark::Points { (line(&[(x, y - 4.0), (x + 30.0, y - 4.0)], index, series.mark)) }
                    @if marked(series) { (marker((x + 15.0, y - 4.0), index)) }
                }
            }
            text.legend x=(px(x + 36.0)) y=(px(y)) { (series.name) }
        }
    };
    (drawn, LINE * count(series.len().div_ceil(columns)))
}

fn drawn(series: &Series, index: usize, chart: &Chart, frame: &Frame<'_>) -> Markup {
    if series.mark == Mark::Bars {
        return bars(series, index, chart, frame);
    }
    // What an axis has no place for interrupts the line.
    let runs: Vec<Vec<_>> = series
        .points
        .iter()
        .map(|point| frame.point(*point))
        .collect::<Vec<_>>()
        .split(Option::is_none)
        .map(|run| run.iter().flatten().copied().collect())
        .collect();
    html! {
        @for run in &runs {
            @match series.mark {
                Mark::Points => {}
                Mark::Steps => (line(&stairs(run), index, series.mark)),
                _ => (line(run, index, series.mark)),
            }
            @if marked(series) { @for point in run { (marker(*point, index)) } }
        }
    }
}

/// Bars beside each other, as many at each place as there are series of bars.
fn bars(series: &Series, index: usize, chart: &Chart, frame: &Frame<'_>) -> Markup {
    let is_bars = |series: &&Series| series.mark == Mark::Bars;
    let many = count(chart.series.iter().filter(is_bars).count());
    let mine = count(chart.series[..index].iter().filter(is_bars).count());
    let floor = frame.down(frame.y.ends.0.max(if chart.y.log { f64::NEG_INFINITY } else { 0.0 }));
    html! {
        @for &(x, y) in &series.points {
            @if let (Some(_), Some(y)) = (frame.x.place(x), frame.y.place(y)) {
                @let left = frame.across(x - BARS / 2.0 + BARS * mine / many);
                @let right = frame.across(x - BARS / 2.0 + BARS * (mine + 1.0) / many);
                @let top = frame.down(y);
                rect.bar x=(px(left + 0.5)) y=(px(top.min(floor))) width=(px((right - left - 1.0).max(1.0))) height=(px((floor - top).abs())) {
                    title { (series.name) ": " (number::number(if chart.y.log { 10_f64.powf(y) } else { y })) }
                }
            }
        }
    }
}

/// A line that keeps its height up to the next point.
fn stairs(run: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corners = run.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(run.last().copied()).collect()
}

/// Whether the points of a series are marked.
fn marked(series: &Series) -> bool {
    match series.mark {
        Mark::Points => true,
        Mark::Line => series.points.len() <= CROWD,
        Mark::Dashed | Mark::Steps | Mark::Bars => false,
    }
}

fn line(points: &[(f64, f64)], index: usize, mark: Mark) -> Markup {
    let path: Vec<_> = points.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
    let dash = match mark {
        Mark::Dashed => DASHES[0],
        _ if index >= 4 => DASHES[(index - 4 + 1) % DASHES.len()],
        _ => "none",
    };
    html! { polyline.line points=(path.join(" ")) stroke-dasharray=(dash) {} }
}

/// Circle, square, triangle or diamond.
fn marker((x, y): (f64, f64), index: usize) -> Markup {
    let corners: &[(f64, f64)] = match index % 4 {
        0 => return html! { circle.mark cx=(px(x)) cy=(px(y)) r="3.2" {} },
        1 => &[(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)],
        2 => &[(0.0, -4.0), (4.0, 3.2), (-4.0, 3.2)],
        _ => &[(0.0, -4.4), (4.4, 0.0), (0.0, 4.4), (-4.4, 0.0)],
    };
    let path: Vec<_> = corners
        .iter()
        .map(|corner| format!("{},{}", px(x + corner.0), px(y + corner.1)))
        .collect();
    html! { polygon.mark points=(path.join(" ")) {} }
}

/// A coordinate.
fn px(value: f64) -> String {
    format!("{value:.1}")
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
