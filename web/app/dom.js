// @ts-check
/** Small helpers over the page: finding, making and filling elements, without markup in strings. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{new (...args: any[]): T}} kind
 * @returns {T} the element; its absence is a mistake in the page
 */
export function by_id(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) {
    throw new Error(`no ${kind.name} #${id}`);
  }
  return element;
}

/**
 * @param {string} tag
 * @param {Record<string, string | boolean | null | undefined>} [attributes] true sets, false and null leave out
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children);
  return element;
}

/** @param {HTMLElement} element @param {string} text sets it only when it differs, so readers are not told twice */
export function set_text(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** @param {string} name @returns {string | null} */
export function url_param(name) {
  return new URLSearchParams(location.search).get(name);
}

/** @param {string} page @param {string} event_id */
export function page_url(page, event_id) {
  return `${page}?event=${encodeURIComponent(event_id)}`;
}

/** @param {string} name a custom property of the style sheet */
export function css_value(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
