// Makes elements and brings them onto the page. Text goes in as text only: names come from other people.

export const place = (id) => document.getElementById(id);

/** An element with a class; children are elements or text. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

/** The same with attributes. */
export function withAttributes(made, attributes) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Makes these the parent's children, and leaves those alone that look the same: a selection in them stays. */
export function show(parent, made) {
  const before = [...parent.children];
  made.forEach((child, index) => {
    const old = before[index];
    if (old === undefined) parent.append(child);
    else if (!old.isEqualNode(child)) old.replaceWith(child);
  });
  for (const old of before.slice(made.length)) old.remove();
}
