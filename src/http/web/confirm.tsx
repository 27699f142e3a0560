/** The form at the end of a page that asks whether to go on. */
import { FormToken, type LayoutProps } from "./layout.js";

interface ConfirmProps extends Pick<LayoutProps, "context" | "exchange"> {
  /** Where the form is sent. */
  readonly action: string;
  /** Hidden fields with what the visitor saw: names and values. They stay when the page is loaded again. */
  readonly fields?: readonly (readonly [name: string, value: string])[];
  /** The words of the button. */
  readonly label: string;
  readonly isDestructive?: boolean;
  /** The page to which a visitor goes back. */
  readonly cancel: string;
}

export function Confirm(props: ConfirmProps) {
  const { context, exchange, action, fields = [], label, isDestructive = false, cancel } = props;
  return (
    <form method="post" action={action} class="row">
      <FormToken context={context} exchange={exchange} />
      {fields.map(([name, value]) => (
        <input type="hidden" name={name} value={value} data-seen="" />
      ))}
      <button type="submit" class={isDestructive ? "bad" : "main"}>
        {label}
      </button>
      <a href={cancel}>Cancel</a>
    </form>
  );
}
