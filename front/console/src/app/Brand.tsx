import { Link } from '@tanstack/react-router';

import { useSite } from '@/api/site';

import mark from './isthmus.svg';
import classes from './Shell.module.css';

/** Logos from elsewhere are not shown: the console asks no other host for anything. */
function logo(given: string): string {
  return given.startsWith('/') || given.startsWith('data:image/') ? given : mark;
}

export function Brand({ narrow = false }: { narrow?: boolean }) {
  const site = useSite();
  return (
    <Link to="/" className={classes.brand} aria-label={site.system_name}>
      <img src={logo(site.logo)} width={28} height={28} alt="" />
      {!narrow && <span>{site.system_name}</span>}
    </Link>
  );
}
