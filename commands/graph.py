"""`graph`: a flow as Mermaid text, or as a page."""

from commands import html_file, options
from console.printable import printable
from console.problems import print_json, print_warnings
from console.screen import open_screen
from grammar.loading import bundle
from grammar.loading import graph as drawing


def graph(
    flow: options.Flow,
    html: options.Html = None,
    globals_: options.Globals = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Draw FLOW: as Mermaid text, or with --html as a page."""
    from pictures import flow_page, mermaid  # slow to load

    screen = open_screen(json, quiet)
    loaded = bundle.load(bundle.lint_options(options.load_options(flow, globals_, model_config, path, strict), flow))
    print_warnings(screen, loaded.warnings)
    drawn = drawing.graph(loaded.bundle)
    if html:
        html_file.write(html, flow_page.html(drawn), screen)
    elif not json:
        print(printable(mermaid.text(drawn)), end="")
    if json:
        print_json(drawn.model_dump())
    return 0
