// A test's eyes, put into the page before anything runs there: they write down what it shows of migrations under way
// each time it changes, and find text that is hard to read. They change nothing.

/** Contrast of text that counts as readable (WCAG 2.2, 1.4.3). */
const CONTRAST_MIN = 4.5;

const textOf = (node) => node?.textContent.replaceAll('\u00a0', ' ') ?? '';

function look() {
  const card = document.querySelector('#under-way article');
  const figures = [...(card?.querySelectorAll('dl > div') ?? [])].map((figure) => [
    textOf(figure.querySelector('dt')),
    textOf(figure.querySelector('dd')),
  ]);
  return {
    step: textOf(card?.querySelector('[aria-current=step]')),
    figures: Object.fromEntries(figures),
    expected: textOf(document.querySelector('.arrival')?.closest('article').querySelector('h3 > span')),
    news: textOf(document.querySelector('#news')),
  };
}

globalThis.seen = [];
new MutationObserver(() => {
  const now = look();
  if (JSON.stringify(now) !== JSON.stringify(globalThis.seen.at(-1))) globalThis.seen.push(now);
}).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });

const colour = (text) => text.match(/[\d.]+/g).map(Number);

function luminance([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** What is painted behind an element: the nearest background that is not transparent. */
function behind(element) {
  for (let at = element; at !== null; at = at.parentElement) {
    const [r, g, b, alpha = 1] = colour(getComputedStyle(at).backgroundColor);
    if (alpha > 0) return [r, g, b];
  }
  return [255, 255, 255];
}

function contrast(element) {
  const [light, dark] = [colour(getComputedStyle(element).color), behind(element)].map(luminance).sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** The texts of the first such element's parts, or its own where it has none. */
globalThis.textsOf = (selector) => {
  const element = document.querySelector(selector);
  return element.children.length === 0 ? [textOf(element)] : [...element.children].map(textOf);
};

/** Every visible text whose contrast is too small, with it. */
globalThis.hardToRead = () => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (data.trim() === '' || !parentElement.checkVisibility()) continue;
    const ratio = contrast(parentElement);
    if (ratio < CONTRAST_MIN) found.push(`${data.trim()}: ${ratio.toFixed(2)}`);
  }
  return found;
};
/** How light the page is behind everything: 0 black, 1 white. */
globalThis.lightness = () => luminance(behind(document.body));
