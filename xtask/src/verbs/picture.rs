//! The README's picture of a terminal, drawn from the text of a run. A test of the part `vm` compares the text with a real one.

/// The text, and the picture made from it.
pub(crate) const TEXT: &str = include_str!("../../../docs/src/images/terminal.txt");
pub(crate) const PLACE: &str = "docs/src/images/terminal.svg";

/// Width of a character and height of a line, in pixels, at the size below.
const CHARACTER: f64 = 8.4;
const LINE: usize = 19;
/// The first line's place, below the window's bar.
const TOP: usize = 54;

/// Draws lines of text as a window; a line that begins with `$ ` is a command.
pub(crate) fn draw(text: &str) -> String {
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let (width, height) = ((longest as f64 * CHARACTER) as usize + 32, TOP + text.lines().count() * LINE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"A terminal\">\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1e222a\"/>\n"
    );
    for (x, colour) in [(20, "#ff5f56"), (40, "#ffbd2e"), (60, "#27c93f")] {
        svg.push_str(&format!("<circle cx=\"{x}\" cy=\"19\" r=\"6\" fill=\"{colour}\"/>\n"));
    }
    svg.push_str(
        "<g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\" \
         xml:space=\"preserve\">\n",
    );
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let colour = if line.starts_with("$ ") { "#98c379" } else { "#d6d9e0" };
        let length = line.chars().count() as f64 * CHARACTER;
        let line = line.replace('&', "&amp;").replace('<', "&lt;");
        let y = TOP + at * LINE;
        svg.push_str(&format!("<text x=\"16\" y=\"{y}\" textLength=\"{length:.1}\" fill=\"{colour}\">{line}</text>\n"));
    }
    svg.push_str("</g></svg>\n");
    svg
}
